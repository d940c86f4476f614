SELECT id FROM message WHERE tenant_id = $1 AND id = ANY ($2::text[])
