INSERT INTO reference (tenant_id, reference, declaration_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
