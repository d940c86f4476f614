SELECT tenant_id, id, expires_at, last_used_at, scopes FROM api_key WHERE hash = $1 AND revoked_at IS NULL
