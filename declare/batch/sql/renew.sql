UPDATE batch SET lease_until = $4 WHERE tenant_id = $1 AND id = $2 AND turn = $3 AND state IN ('reading', 'filing')
