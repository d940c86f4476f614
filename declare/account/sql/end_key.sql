-- A key that is replaced ends at $3, unless it ends before.
UPDATE api_key SET expires_at = least(expires_at, $3) WHERE tenant_id = $1 AND id = $2
