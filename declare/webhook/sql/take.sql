-- Takes at most $5 deliveries that are due at $1 and leases them until $2, in
-- the same write that records the attempt. Endpoints take turns, drawn among
-- equals; of each at most $6 are taken, or what stands in $4 for those in $3.
WITH RECURSIVE waiting AS (
    SELECT '' AS tenant_id, '' AS endpoint_id -- before all
    UNION ALL
    SELECT n.tenant_id, n.endpoint_id
      FROM waiting w
     CROSS JOIN LATERAL (
        SELECT tenant_id, endpoint_id FROM webhook_delivery
         WHERE state = 'pending' AND (tenant_id, endpoint_id) > (w.tenant_id, w.endpoint_id)
         ORDER BY tenant_id, endpoint_id LIMIT 1) n
), due AS (
    SELECT m.*, row_number() OVER (PARTITION BY m.tenant_id, m.endpoint_id ORDER BY m.next_at) AS turn
      FROM waiting w
      JOIN webhook_endpoint e ON e.tenant_id = w.tenant_id AND e.id = w.endpoint_id AND e.state = 'on'
      LEFT JOIN unnest($3::text[], $4::integer[]) AS b (endpoint_id, places) ON b.endpoint_id = w.endpoint_id
     CROSS JOIN LATERAL (
        SELECT tenant_id, endpoint_id, event_id, next_at FROM webhook_delivery
         WHERE tenant_id = w.tenant_id AND endpoint_id = w.endpoint_id AND state = 'pending' AND next_at <= $1
         ORDER BY next_at LIMIT coalesce(b.places, $6::integer)
         FOR UPDATE SKIP LOCKED) m
), chosen AS (
    SELECT * FROM due ORDER BY turn, random() LIMIT $5
)
UPDATE webhook_delivery d
   SET state = 'sending', epoch = d.epoch + 1, attempts = d.attempts + 1, lease_until = $2, first_at = coalesce(d.first_at, $1)
  FROM chosen c
 WHERE d.tenant_id = c.tenant_id AND d.endpoint_id = c.endpoint_id AND d.event_id = c.event_id
RETURNING d.tenant_id, d.endpoint_id, d.event_id, d.declaration_id, d.epoch, d.attempts, d.first_at, d.body,
          (SELECT url FROM webhook_endpoint e WHERE e.tenant_id = d.tenant_id AND e.id = d.endpoint_id),
          ARRAY(SELECT sealed FROM webhook_secret s
                 WHERE s.tenant_id = d.tenant_id AND s.endpoint_id = d.endpoint_id AND (s.expires_at IS NULL OR s.expires_at > $1)
                 ORDER BY s.number DESC)
