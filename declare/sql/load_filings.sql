-- The filings of declarations with how far their latest message got.
SELECT f.tenant_id, f.declaration_id, f.agency, f.agency_version, f.decision, f.since, f.word, f.remark, f.numbers, f.errors,
       m.id, m.delivery, m.reason
  FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
  JOIN filing f ON f.tenant_id = k.tenant_id AND f.declaration_id = k.id
 CROSS JOIN LATERAL (
        SELECT id, delivery, reason FROM message
         WHERE tenant_id = f.tenant_id AND declaration_id = f.declaration_id AND agency = f.agency
         ORDER BY created_at DESC, id DESC LIMIT 1) m
 ORDER BY f.tenant_id, f.declaration_id, f.agency
