INSERT INTO webhook_secret (tenant_id, endpoint_id, number, sealed, created_at)
SELECT $1, $2, 1 + coalesce(max(number), 0), $3, $4 FROM webhook_secret WHERE tenant_id = $1 AND endpoint_id = $2
