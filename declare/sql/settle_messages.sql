-- Writes what attempts came to, where this process still holds the lease. The
-- third try in which our own code failed sets the message aside, and so does
-- an answer that killed the process before.
UPDATE message m
   SET delivery = CASE WHEN s.delivery = 'unsure' AND (s.reason = 'poisoned' OR s.reason = 'panicked' AND m.failures >= 2) THEN 'setAside' ELSE s.delivery END,
       lease_until = NULL, next_at = s.next_at, reason = s.reason, denials = s.denials,
       attempts = m.attempts - CASE WHEN s.unburnt THEN 1 ELSE 0 END,
       failures = m.failures + CASE WHEN s.reason = 'panicked' THEN 1 ELSE 0 END, expiries = 0,
       first_sent_at = CASE WHEN s.delivery = 'queued' THEN s.first_sent_at ELSE m.first_sent_at END,
       settled_at = CASE WHEN s.delivery IN ('delivered', 'refused') THEN $10::timestamptz END,
       since = CASE WHEN s.delivery = 'queued' AND s.first_sent_at IS NULL THEN m.since ELSE $10::timestamptz END
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::integer[], $8::boolean[], $9::timestamptz[])
       AS s (tenant_id, id, epoch, delivery, next_at, reason, denials, unburnt, first_sent_at)
 WHERE m.tenant_id = s.tenant_id AND m.id = s.id AND m.epoch = s.epoch AND m.delivery = 'sending'
RETURNING m.id, s.epoch, m.delivery
