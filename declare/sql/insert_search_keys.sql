-- In one order for everybody, so that two who insert the same do not wait in a circle.
INSERT INTO search_key (tenant_id, value, name, declaration_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING
