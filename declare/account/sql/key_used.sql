-- Says when a key was used, to the minute: $3 is now, $4 a minute before.
UPDATE api_key SET last_used_at = $3
 WHERE tenant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at <= $4)
