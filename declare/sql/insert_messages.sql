INSERT INTO message (tenant_id, id, declaration_id, agency, purpose, schema_digest, digest, created_at, delivery, next_at, since)
SELECT tenant_id, id, declaration_id, agency, 'original', schema_digest, digest, at, 'queued', at, at
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::timestamptz[])
       AS m (tenant_id, id, declaration_id, agency, schema_digest, digest, at)
