INSERT INTO message_body (tenant_id, message_id, agency, created_at, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bytea[])
