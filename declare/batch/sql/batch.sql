SELECT id, name, kind, format, encoding, sheet, state, dry_run, all_or_nothing, received_at, finished_at, rows, items, filed, rejected, valid, faults
  FROM batch WHERE tenant_id = $1 AND id = $2
