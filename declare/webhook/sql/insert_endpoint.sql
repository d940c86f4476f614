-- No row when the tenant has $9 of them already.
INSERT INTO webhook_endpoint (tenant_id, id, url, description, event_types, state, since, cursor, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $7
 WHERE (SELECT count(*) FROM webhook_endpoint WHERE tenant_id = $1 AND state <> 'deleted') < $9
