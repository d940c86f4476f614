INSERT INTO agency_number (agency, name, value, tenant_id, declaration_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    ON CONFLICT DO NOTHING
