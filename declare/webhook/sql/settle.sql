-- No row when the lease was lost.
UPDATE webhook_delivery
   SET state = $5, lease_until = NULL, next_at = $6, attempts = attempts - $7, status = $8, reason = $9, milliseconds = $10, tried_at = $11,
       settled_at = CASE WHEN $5 IN ('delivered', 'parked') THEN $11::timestamptz END
 WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND epoch = $4 AND state = 'sending'
