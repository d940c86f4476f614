-- No row when the key was used before; an equal one in flight is waited for.
INSERT INTO webhook_request (tenant_id, key, digest, answer, at) VALUES ($1, $2, $3, '', $4) ON CONFLICT (tenant_id, key) DO NOTHING
