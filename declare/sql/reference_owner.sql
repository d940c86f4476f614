-- Who has the reference $2, and whether it is the declaration bound to key $3.
SELECT r.declaration_id, coalesce(i.declaration_id = r.declaration_id, false)
  FROM reference r
  LEFT JOIN idempotency i ON i.tenant_id = r.tenant_id AND i.key = $3
 WHERE r.tenant_id = $1 AND r.reference = $2
