SELECT id, number, type, agency, at, data FROM event WHERE tenant_id = $1 AND declaration_id = $2 ORDER BY number
