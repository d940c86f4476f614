SELECT count(*) FROM api_key WHERE tenant_id = $1 AND name = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
