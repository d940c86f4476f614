SELECT f.tenant_id, f.declaration_id, f.agency, f.agency_version, f.decision, f.since, f.word, f.remark, f.numbers, f.errors, f.duties, f.documents
  FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
  JOIN filing f ON f.tenant_id = k.tenant_id AND f.declaration_id = k.id
 ORDER BY f.tenant_id, f.declaration_id, f.agency
