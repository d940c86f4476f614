-- Takes at most $2 messages of agency $1 that are due at $3 and leases them
-- until $4. Tenants take turns, so that one tenant's long queue does not hold
-- up another's single message; whose turn it is first is drawn, because there
-- is often room for one only, and the oldest message is always the same
-- tenant's. The same write records "sending, attempt n". Nothing is taken
-- while the agency is paused, whichever process found that out.
WITH RECURSIVE waiting AS (
    SELECT '' AS tenant_id -- before all; a search with no bound reads the whole queue while there are no statistics
     WHERE EXISTS (SELECT FROM agency_state s WHERE s.agency = $1 AND s.state = 'connected')
    UNION ALL
    SELECT (SELECT m.tenant_id FROM message m
             WHERE m.agency = $1 AND m.delivery IN ('queued', 'unsure') AND m.tenant_id > w.tenant_id
             ORDER BY m.tenant_id LIMIT 1)
      FROM waiting w WHERE w.tenant_id IS NOT NULL
), due AS (
    SELECT m.*, row_number() OVER (PARTITION BY m.tenant_id ORDER BY m.next_at) AS turn
      FROM waiting w
     CROSS JOIN LATERAL (
        SELECT tenant_id, id, created_at, delivery, first_sent_at, next_at FROM message
         WHERE agency = $1 AND tenant_id = w.tenant_id AND delivery IN ('queued', 'unsure') AND next_at <= $3
         ORDER BY next_at LIMIT $2
         FOR UPDATE SKIP LOCKED) m
), chosen AS (
    SELECT * FROM due ORDER BY turn, random() LIMIT $2
), loaded AS ( -- one without its body comes all the same, to be set aside: else it would stay the first for ever
    SELECT c.*, b.body
      FROM chosen c
      LEFT JOIN message_body b ON b.tenant_id = c.tenant_id AND b.message_id = c.id AND b.created_at = c.created_at
)
UPDATE message m
   SET delivery = 'sending', epoch = m.epoch + 1, attempts = m.attempts + 1, lease_until = $4,
       first_sent_at = coalesce(m.first_sent_at, $3), sent_at = $3
  FROM loaded l
 WHERE m.tenant_id = l.tenant_id AND m.id = l.id
RETURNING m.tenant_id, m.id, m.declaration_id, m.digest, m.epoch, m.attempts, m.denials,
          l.delivery = 'unsure' AS asked, l.first_sent_at, l.body
