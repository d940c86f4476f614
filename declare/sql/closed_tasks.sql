-- Tasks that were closed and not opened again, with how they were closed last. At most $1.
SELECT t.tenant_id, t.subject, t.kind, t.agency, t.declaration_id, t.why, t.opened_at,
       coalesce(m.delivery, ''), coalesce(m.attempts, 0), m.first_sent_at,
       t.closed_at, coalesce(c.resolution, ''), coalesce(c.closed_by, ''), coalesce(c.note, '')
  FROM task t
  LEFT JOIN message m ON m.tenant_id = t.tenant_id AND m.id = t.subject
  LEFT JOIN task_closing c ON c.tenant_id = t.tenant_id AND c.subject = t.subject AND c.kind = t.kind AND c.closed_at = t.closed_at
 WHERE t.closed_at IS NOT NULL
 ORDER BY t.opened_at LIMIT $1
