-- An item grows with each row of it.
INSERT INTO batch_item (tenant_id, batch_id, number, reference, bytes)
SELECT $1, $2, i.* FROM unnest($3::int[], $4::text[], $5::bigint[]) AS i
    ON CONFLICT (tenant_id, batch_id, number) DO UPDATE SET bytes = batch_item.bytes + excluded.bytes
