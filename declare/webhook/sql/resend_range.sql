-- The first $6 deliveries that are over, of events from $3 to before $4, begin
-- a new round at $5.
WITH chosen AS (
    SELECT event_id FROM webhook_delivery
     WHERE tenant_id = $1 AND endpoint_id = $2 AND state IN ('delivered', 'parked') AND event_at >= $3 AND event_at < $4
     ORDER BY event_at, event_id LIMIT $6
)
UPDATE webhook_delivery d SET state = 'pending', attempts = 0, first_at = NULL, settled_at = NULL, next_at = $5
  FROM chosen c
 WHERE d.tenant_id = $1 AND d.endpoint_id = $2 AND d.event_id = c.event_id
RETURNING d.declaration_id, d.event_at
