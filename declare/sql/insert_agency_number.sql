INSERT INTO agency_number (agency, name, value, tenant_id, declaration_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
