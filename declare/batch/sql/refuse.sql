UPDATE batch SET state = 'refused', faults = $4, finished_at = $5
 WHERE tenant_id = $1 AND id = $2 AND turn = $3 AND state = 'reading'
