-- Unless something arrived there since $3.
UPDATE webhook_endpoint SET state = 'parked', since = $4
 WHERE tenant_id = $1 AND id = $2 AND state = 'on' AND (delivered_at IS NULL OR delivered_at < $3)
