-- Where declarations stand at each agency, pair by pair. Messages are seen by
-- the agency they are to: of others' nothing is known but the decision.
SELECT f.declaration_id, f.agency, f.decision, f.since, coalesce(m.delivery, ''), coalesce(m.reason, ''), coalesce(m.since, f.since)
  FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
  JOIN filing f ON f.tenant_id = k.tenant_id AND f.declaration_id = k.id
  LEFT JOIN LATERAL (SELECT delivery, reason, since FROM message
                      WHERE tenant_id = k.tenant_id AND declaration_id = k.id AND agency = f.agency
                      ORDER BY created_at DESC, id DESC LIMIT 1) m ON true
 ORDER BY f.declaration_id, f.agency
