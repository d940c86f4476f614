INSERT INTO declaration_body (tenant_id, declaration_id, version, received_at, digest, body)
SELECT tenant_id, id, 1, at, digest, body
  FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bytea[], $5::bytea[]) AS d (tenant_id, id, at, digest, body)
