-- No row when the tenant handed in the same before.
INSERT INTO batch (tenant_id, id, fingerprint, digest, bytes, name, kind, format, encoding, sheet, columns, dry_run, all_or_nothing, checked, received_at, lease_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, NOT ($12 OR $13), $14, $15)
ON CONFLICT (tenant_id, fingerprint) DO NOTHING
