SELECT id, name, scopes, created_at, expires_at, revoked_at, last_used_at, coalesce(replaces, ''), request_digest
  FROM api_key WHERE tenant_id = $1 AND request_key = $2
