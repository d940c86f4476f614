-- No row when another process was faster, or the endpoint is not on any more.
UPDATE webhook_endpoint SET cursor = $4 WHERE tenant_id = $1 AND id = $2 AND cursor = $3 AND state = 'on'
