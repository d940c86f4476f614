-- So many verdicts came to so many more or fewer, by whoever holds the turn.
UPDATE batch SET filed = filed + $4, rejected = rejected + $5, valid = valid + $6, state = $7, checked = $8, finished_at = $9, lease_until = $10
 WHERE tenant_id = $1 AND id = $2 AND turn = $3 AND state = 'filing'
