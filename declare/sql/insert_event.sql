INSERT INTO event (tenant_id, declaration_id, number, id, type, agency, at, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
