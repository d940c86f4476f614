-- Binds key $2 of tenant $1 to nothing: whoever runs this undoes it.
INSERT INTO idempotency (tenant_id, key, digest, declaration_id, receipt, at) VALUES ($1, $2, sha256(''), '', '', now())
