-- A delivery that is over begins a new round; one that is not goes now.
UPDATE webhook_delivery
   SET attempts = CASE WHEN state IN ('delivered', 'parked') THEN 0 ELSE attempts END,
       first_at = CASE WHEN state IN ('delivered', 'parked') THEN NULL ELSE first_at END,
       state = CASE WHEN state IN ('delivered', 'parked') THEN 'pending' ELSE state END, settled_at = NULL, next_at = $4
 WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3
RETURNING declaration_id
