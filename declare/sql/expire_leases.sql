-- An expired lease is not a fresh start: the bytes may have left.
UPDATE message
   SET delivery = 'unsure', lease_until = NULL, epoch = epoch + 1, next_at = $1, reason = 'leaseExpired', since = $1, expiries = expiries + 1,
       denials = 0 -- of an earlier copy: they say nothing about the one that may have left now
 WHERE delivery = 'sending' AND lease_until < $1
RETURNING tenant_id, declaration_id, id, agency, attempts, first_sent_at = sent_at
