-- The latest first, behind the one named in $3; none when that does not exist.
SELECT event_id, declaration_id, number, type, event_at, created_at, state, attempts, next_at, tried_at, status, reason, milliseconds
  FROM webhook_delivery
 WHERE tenant_id = $1 AND endpoint_id = $2
   AND (event_at, event_id) < (coalesce((SELECT event_at FROM webhook_delivery WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3),
                                        CASE $3 WHEN '' THEN 'infinity'::timestamptz ELSE '-infinity'::timestamptz END), $3)
   AND ($4 = '' OR state = $4)
 ORDER BY event_at DESC, event_id DESC LIMIT $5
