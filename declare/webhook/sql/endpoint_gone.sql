UPDATE webhook_endpoint SET state = 'gone', since = $3 WHERE tenant_id = $1 AND id = $2 AND state IN ('on', 'paused')
