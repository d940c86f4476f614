-- So much is read, by whoever holds the turn.
UPDATE batch SET tries = 0, rows = $4, items = $5, format = $6, encoding = $7, sheet = $8, heading = $9, state = $10, lease_until = $11
 WHERE tenant_id = $1 AND id = $2 AND turn = $3 AND state = 'reading'
