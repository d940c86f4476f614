-- A notice that was kept without being applied is matched again later.
UPDATE notice SET state = 'unmatched', tenant_id = '', declaration_id = '' WHERE id = $1 AND received_at = $2 AND state = 'applied'
