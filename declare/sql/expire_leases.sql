-- An expired lease is not a fresh start: the bytes may have left. At most
-- 1,000 at a time, in one order for every gateway that sweeps, and none that
-- somebody is settling.
WITH lapsed AS (
    SELECT tenant_id, id FROM message
     WHERE delivery = 'sending' AND lease_until < $1
     ORDER BY tenant_id, id LIMIT 1000
       FOR UPDATE SKIP LOCKED
)
UPDATE message m
   SET delivery = 'unsure', lease_until = NULL, epoch = m.epoch + 1, next_at = $1, reason = 'leaseExpired', since = $1, expiries = m.expiries + 1,
       denials = 0 -- of an earlier copy: they say nothing about the one that may have left now
  FROM lapsed l
 WHERE m.tenant_id = l.tenant_id AND m.id = l.id
RETURNING m.tenant_id, m.declaration_id, m.id, m.agency, m.attempts, m.first_sent_at = m.sent_at
