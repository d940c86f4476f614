SELECT item, sheet, line FROM batch_row WHERE tenant_id = $1 AND batch_id = $2 AND item = ANY ($3::int[]) ORDER BY item, number
