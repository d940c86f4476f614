INSERT INTO event (tenant_id, declaration_id, number, id, type, agency, at, data)
SELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::jsonb[])
