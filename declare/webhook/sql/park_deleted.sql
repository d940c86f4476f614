-- What was under way while its endpoint was deleted is parked like the rest.
UPDATE webhook_delivery SET state = 'parked', reason = $3, settled_at = $4
 WHERE tenant_id = $1 AND endpoint_id = $2 AND state IN ('waiting', 'pending')
   AND EXISTS (SELECT FROM webhook_endpoint WHERE tenant_id = $1 AND id = $2 AND state = 'deleted')
