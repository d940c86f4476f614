-- Leases that expired: their holder is gone, and what it did is not known. They
-- are sent again.
UPDATE webhook_delivery d SET state = 'pending', lease_until = NULL, next_at = $1, reason = $2, status = 0
  FROM (SELECT tenant_id, endpoint_id, event_id FROM webhook_delivery
         WHERE state = 'sending' AND lease_until < $1 ORDER BY lease_until LIMIT 500
           FOR UPDATE SKIP LOCKED) l
 WHERE d.tenant_id = l.tenant_id AND d.endpoint_id = l.endpoint_id AND d.event_id = l.event_id
