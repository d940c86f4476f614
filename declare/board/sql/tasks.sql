-- Open tasks, the oldest first, of agency $1 ('' for all), at most $2.
SELECT t.tenant_id, t.subject, t.kind, t.agency, t.declaration_id, coalesce(d.reference, ''), t.why, t.opened_at,
       coalesce(m.delivery, ''), coalesce(m.attempts, 0), m.first_sent_at
  FROM task t
  LEFT JOIN LATERAL (SELECT reference FROM declaration WHERE tenant_id = t.tenant_id AND id = t.declaration_id LIMIT 1) d ON true
  LEFT JOIN LATERAL (SELECT delivery, attempts, first_sent_at FROM message WHERE tenant_id = t.tenant_id AND id = t.subject LIMIT 1) m ON true
 WHERE t.closed_at IS NULL AND ($1::text = '' OR t.agency = $1)
 ORDER BY t.opened_at LIMIT $2
