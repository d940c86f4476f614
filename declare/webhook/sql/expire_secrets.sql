-- The newest secret ends at $4, those before it, which were ending, now ($3).
UPDATE webhook_secret SET expires_at = CASE WHEN expires_at IS NULL THEN $4::timestamptz ELSE least(expires_at, $3) END
 WHERE tenant_id = $1 AND endpoint_id = $2 AND (expires_at IS NULL OR expires_at > $3)
