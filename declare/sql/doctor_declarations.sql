SELECT d.tenant_id, d.id, d.status, d.waiting_who, d.waiting_agency, d.waiting_why, d.waiting_since, d.received_at
  FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
  JOIN declaration d ON d.tenant_id = k.tenant_id AND d.id = k.id
