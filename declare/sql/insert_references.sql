-- In one order for everybody, so that two who insert the same do not wait in a circle.
INSERT INTO reference (tenant_id, reference, declaration_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ORDER BY 1, 2
