-- A key for a tenant there is: no row when there is none.
INSERT INTO api_key (tenant_id, id, name, hash, created_at)
SELECT t.id, $2, $3, $4, $5 FROM tenant t WHERE t.id = $1
