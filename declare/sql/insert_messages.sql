-- New messages: queued, or already under our lease and handed over in memory
-- after the commit.
INSERT INTO message (tenant_id, id, declaration_id, agency, purpose, schema_digest, folder_digest, digest, created_at, next_at, since,
                     delivery, epoch, attempts, first_sent_at, sent_at, lease_until)
SELECT tenant_id, id, declaration_id, agency, 'original', schema_digest, folder_digest, digest, at, at, at,
       CASE WHEN lease_until IS NULL THEN 'queued' ELSE 'sending' END,
       CASE WHEN lease_until IS NULL THEN 0 ELSE 1 END,
       CASE WHEN lease_until IS NULL THEN 0 ELSE 1 END,
       CASE WHEN lease_until IS NULL THEN NULL ELSE $10::timestamptz END,
       CASE WHEN lease_until IS NULL THEN NULL ELSE $10::timestamptz END,
       lease_until
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::timestamptz[], $9::timestamptz[])
       AS m (tenant_id, id, declaration_id, agency, schema_digest, folder_digest, digest, at, lease_until)
