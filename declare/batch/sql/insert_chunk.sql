INSERT INTO batch_file (tenant_id, digest, number, content) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, digest, number) DO NOTHING
