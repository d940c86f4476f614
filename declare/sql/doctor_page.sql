-- The next $3 declarations after ($1, $2).
SELECT tenant_id, id FROM declaration WHERE (tenant_id, id) > ($1, $2) ORDER BY tenant_id, id LIMIT $3
