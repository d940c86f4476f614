-- Binds key $2 of tenant $1, unless it is bound.
INSERT INTO batch_key (tenant_id, key, fingerprint, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
