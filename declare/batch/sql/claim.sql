-- The slice after turn $3 begins: for one of those who ask.
UPDATE batch SET turn = turn + 1, lease_until = $4
 WHERE tenant_id = $1 AND id = $2 AND turn = $3 AND state IN ('reading', 'filing')
RETURNING turn, state, digest, bytes, name, kind, format, encoding, sheet, columns, heading, dry_run, all_or_nothing, checked, tries, rows, items, rejected
