-- What key $2 of tenant $1 stands for.
SELECT fingerprint FROM batch_key WHERE tenant_id = $1 AND key = $2
