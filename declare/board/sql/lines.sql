-- What a line of the board says of declarations, pair by pair.
SELECT d.tenant_id, coalesce(t.name, ''), d.id, d.kind, d.reference, d.version, d.port, d.status, d.waiting_who, d.waiting_agency, d.waiting_why, d.waiting_since, d.received_at
  FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
 CROSS JOIN LATERAL (SELECT * FROM declaration WHERE tenant_id = k.tenant_id AND id = k.id LIMIT 1) d
  LEFT JOIN LATERAL (SELECT name FROM tenant WHERE id = k.tenant_id LIMIT 1) t ON true
