INSERT INTO api_key (tenant_id, id, name, hash, created_at, expires_at, scopes, request_key, request_digest, replaces)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
