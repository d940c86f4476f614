-- Takes the one message of agency $1 to find out with, at $2, whether the agency
-- is back, and leases it until $3: an unsure one first, else the oldest that is
-- due by $4. A message whose knowledge the agency denied once waits its time:
-- the next denial counts only if it comes a deadline later.
WITH chosen AS (
    SELECT tenant_id, id, created_at, delivery, first_sent_at FROM message
     WHERE agency = $1 AND delivery IN ('queued', 'unsure') AND next_at <= $4 AND (delivery = 'queued' OR denials = 0 OR next_at <= $2)
       AND (delivery = 'unsure' OR NOT EXISTS (
            SELECT FROM message u WHERE u.agency = $1 AND u.delivery = 'unsure' AND u.next_at <= $4 AND (u.denials = 0 OR u.next_at <= $2)))
     ORDER BY next_at LIMIT 1
       FOR UPDATE SKIP LOCKED
), loaded AS ( -- one without its body comes all the same, to be set aside: else it would be the probe for ever
    SELECT c.*, b.body
      FROM chosen c
      LEFT JOIN message_body b ON b.tenant_id = c.tenant_id AND b.message_id = c.id AND b.created_at = c.created_at
)
UPDATE message m
   SET delivery = 'sending', epoch = m.epoch + 1, attempts = m.attempts + 1, lease_until = $3,
       first_sent_at = coalesce(m.first_sent_at, $2), sent_at = $2
  FROM loaded l
 WHERE m.tenant_id = l.tenant_id AND m.id = l.id
RETURNING m.tenant_id, m.id, m.declaration_id, m.digest, m.epoch, m.attempts, m.denials,
          l.delivery = 'unsure' AS asked, l.first_sent_at, l.body
