INSERT INTO search_key (tenant_id, value, name, declaration_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
