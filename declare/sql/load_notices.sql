-- The notices of agencies $3 about declarations, pair by pair.
SELECT n.tenant_id, n.declaration_id, n.agency, n.id, n.received_at, n.numbers, n.issued_at,
       n.version, n.rank, n.word, n.decision, n.reopens, n.remark, n.errors,
       n.opens, n.duties, n.documents
  FROM unnest($1::text[], $2::text[], $3::text[]) AS k (tenant_id, id, agency)
  JOIN notice n ON n.tenant_id = k.tenant_id AND n.declaration_id = k.id AND n.declaration_id <> '' AND n.agency = k.agency
