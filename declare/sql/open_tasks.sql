-- Tasks that are open, the oldest first. At most $1.
SELECT t.tenant_id, t.subject, t.kind, t.agency, t.declaration_id, t.why, t.opened_at,
       coalesce(m.delivery, ''), coalesce(m.attempts, 0), m.first_sent_at,
       t.closed_at, '', '', ''
  FROM task t
  LEFT JOIN message m ON m.tenant_id = t.tenant_id AND m.id = t.subject
 WHERE t.closed_at IS NULL
 ORDER BY t.opened_at LIMIT $1
