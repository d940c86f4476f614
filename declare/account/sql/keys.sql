SELECT id, name, scopes, created_at, expires_at, revoked_at, last_used_at, coalesce(replaces, '')
  FROM api_key WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
