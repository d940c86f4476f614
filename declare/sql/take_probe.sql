-- Takes the one message of agency $1 to find out with, at $2, whether the agency
-- is back, and leases it until $3: an unsure one first, else the oldest that is
-- due by $4. A message whose knowledge the agency denied once waits its time:
-- the next denial counts only if it comes a deadline later.
WITH unsure AS (
    SELECT tenant_id, id, created_at, delivery, first_sent_at FROM message
     WHERE agency = $1 AND delivery = 'unsure' AND next_at <= $4 AND (denials = 0 OR next_at <= $2)
     ORDER BY next_at LIMIT 1
       FOR UPDATE SKIP LOCKED
), queued AS (
    SELECT tenant_id, id, created_at, delivery, first_sent_at FROM message
     WHERE agency = $1 AND delivery = 'queued' AND next_at <= $4 AND NOT EXISTS (SELECT FROM unsure)
     ORDER BY next_at LIMIT 1
       FOR UPDATE SKIP LOCKED
), chosen AS (
    SELECT * FROM unsure UNION ALL SELECT * FROM queued
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
