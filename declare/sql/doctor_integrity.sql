-- What must never be, of declarations ($1, $2): the code says what.
WITH k AS (
    SELECT d.* FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id) JOIN declaration d ON d.tenant_id = k.tenant_id AND d.id = k.id
), m AS (
    SELECT m.* FROM k JOIN message m ON m.tenant_id = k.tenant_id AND m.declaration_id = k.id
)
SELECT 'filing.noMessage', f.tenant_id, f.declaration_id, f.agency, '', f.since
  FROM k JOIN filing f ON f.tenant_id = k.tenant_id AND f.declaration_id = k.id
 WHERE NOT EXISTS (SELECT FROM message o WHERE o.tenant_id = f.tenant_id AND o.declaration_id = f.declaration_id AND o.agency = f.agency)
UNION ALL
SELECT 'message.noFiling', m.tenant_id, m.declaration_id, m.agency, m.id, m.created_at FROM m
 WHERE NOT EXISTS (SELECT FROM filing f WHERE f.tenant_id = m.tenant_id AND f.declaration_id = m.declaration_id AND f.agency = m.agency)
UNION ALL
SELECT CASE WHEN b.body IS NULL THEN 'message.noBody' ELSE 'message.digest' END, m.tenant_id, m.declaration_id, m.agency, m.id, m.created_at
  FROM m LEFT JOIN message_body b ON b.tenant_id = m.tenant_id AND b.message_id = m.id AND b.created_at = m.created_at
 WHERE b.body IS NULL OR sha256(b.body) <> m.digest
UNION ALL
SELECT 'message.settledAt', m.tenant_id, m.declaration_id, m.agency, m.id, m.created_at FROM m
 WHERE (m.delivery IN ('delivered', 'refused')) <> (m.settled_at IS NOT NULL)
UNION ALL
SELECT 'message.noTask', m.tenant_id, m.declaration_id, m.agency, m.id, m.since FROM m
 WHERE (m.delivery = 'setAside' OR m.delivery = 'unsure' AND m.reason = 'noWayToAsk')
   AND NOT EXISTS (SELECT FROM task t WHERE t.tenant_id = m.tenant_id AND t.subject = m.id AND t.closed_at IS NULL)
UNION ALL
SELECT 'message.noFolder', m.tenant_id, m.declaration_id, m.agency, m.id, m.created_at FROM m
 WHERE m.folder_digest <> '' AND NOT EXISTS (SELECT FROM agency_folder f WHERE f.digest = m.folder_digest)
UNION ALL
SELECT CASE WHEN b.body IS NULL THEN 'declaration.noBody' ELSE 'declaration.digest' END, k.tenant_id, k.id, '', '', k.received_at
  FROM k LEFT JOIN declaration_body b ON b.tenant_id = k.tenant_id AND b.declaration_id = k.id AND b.version = k.version
 WHERE b.body IS NULL OR sha256(b.body) <> b.digest
UNION ALL
SELECT 'declaration.noFiling', k.tenant_id, k.id, '', '', k.received_at FROM k
 WHERE NOT EXISTS (SELECT FROM filing f WHERE f.tenant_id = k.tenant_id AND f.declaration_id = k.id)
UNION ALL
SELECT 'declaration.noReference', k.tenant_id, k.id, '', '', k.received_at FROM k
 WHERE NOT EXISTS (SELECT FROM reference r WHERE r.tenant_id = k.tenant_id AND r.reference = k.reference AND r.declaration_id = k.id)
UNION ALL
SELECT 'event.gap', k.tenant_id, k.id, '', '', k.received_at
  FROM k CROSS JOIN LATERAL (SELECT count(*) AS number, coalesce(max(e.number), 0) AS last FROM event e WHERE e.tenant_id = k.tenant_id AND e.declaration_id = k.id) e
 WHERE e.number <> k.event_count OR e.last <> k.event_count
