SELECT reference FROM reference WHERE tenant_id = $1 AND reference = ANY ($2::text[])
