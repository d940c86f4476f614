INSERT INTO task (tenant_id, subject, kind, agency, declaration_id, why, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
