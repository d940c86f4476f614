-- Says when a key was used, to the minute: $3 is now, $4 a minute before. It
-- waits for nobody: who holds the row is saying the same.
UPDATE api_key SET last_used_at = $3
 WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM api_key
                            WHERE tenant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at <= $4)
                              FOR UPDATE SKIP LOCKED)
