SELECT id FROM tenant WHERE id = $1
