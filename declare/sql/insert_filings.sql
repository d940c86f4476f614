INSERT INTO filing (tenant_id, declaration_id, agency, agency_version, since)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
