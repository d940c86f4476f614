UPDATE batch SET tries = tries + 1 WHERE tenant_id = $1 AND id = $2 AND turn = $3 AND state = 'reading'
