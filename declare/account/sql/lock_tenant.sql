-- Keys of one tenant are made one after the other.
SELECT id FROM tenant WHERE id = $1 FOR NO KEY UPDATE
