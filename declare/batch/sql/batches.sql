-- The latest first; after $2, '' for the latest.
SELECT id, name, kind, format, encoding, sheet, state, dry_run, all_or_nothing, received_at, finished_at, rows, items, filed, rejected, valid, faults
  FROM batch WHERE tenant_id = $1 AND ($2 = '' OR id < $2)
 ORDER BY id DESC LIMIT $3
