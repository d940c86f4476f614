SELECT digest, answer FROM webhook_request WHERE tenant_id = $1 AND key = $2
