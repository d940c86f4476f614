-- Keeps a session. A later expiry alone is written once a minute, an ended
-- session never.
INSERT INTO app_session AS s (token_hash, content, expires_at) VALUES ($1, $2, $3)
ON CONFLICT (token_hash) DO UPDATE SET content = excluded.content, expires_at = excluded.expires_at
 WHERE NOT s.ended AND (s.content <> excluded.content OR s.expires_at < excluded.expires_at - interval '1 minute')
