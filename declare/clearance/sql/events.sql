SELECT e.tenant_id, e.declaration_id, e.id, e.type, e.agency, e.at, e.data
  FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
  JOIN event e ON e.tenant_id = k.tenant_id AND e.declaration_id = k.id
 ORDER BY e.tenant_id, e.declaration_id, e.number
