INSERT INTO search_key (tenant_id, value, name, declaration_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    ON CONFLICT DO NOTHING
