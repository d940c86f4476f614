UPDATE webhook_request SET answer = $3 WHERE tenant_id = $1 AND key = $2
