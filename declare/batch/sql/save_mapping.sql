INSERT INTO batch_mapping (tenant_id, name, kind, columns) VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant_id, name) DO UPDATE SET kind = excluded.kind, columns = excluded.columns
