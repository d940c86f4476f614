-- Those that are not over and not under way.
UPDATE webhook_delivery SET state = 'parked', reason = $3, settled_at = $4
 WHERE tenant_id = $1 AND endpoint_id = $2 AND state IN ('waiting', 'pending')
