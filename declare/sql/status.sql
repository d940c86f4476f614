SELECT d.tenant_id, d.id, d.kind, d.reference, d.version, d.status, d.waiting_who, d.waiting_agency, d.waiting_why, d.waiting_since, d.received_at
  FROM declaration d
 WHERE d.tenant_id = $1 AND d.id = ANY ($2::text[])
 ORDER BY d.received_at DESC, d.id DESC
