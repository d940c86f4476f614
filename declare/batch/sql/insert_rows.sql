INSERT INTO batch_row (tenant_id, batch_id, number, item, sheet, line, content)
SELECT $1, $2, r.* FROM unnest($3::int[], $4::int[], $5::text[], $6::int[], $7::bytea[]) AS r
    ON CONFLICT (tenant_id, batch_id, number) DO NOTHING
