INSERT INTO idempotency (tenant_id, key, digest, declaration_id, receipt, at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::timestamptz[])
