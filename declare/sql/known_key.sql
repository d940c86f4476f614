SELECT digest, receipt FROM idempotency WHERE tenant_id = $1 AND key = $2
