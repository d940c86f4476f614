-- The open task about message or notice $1, with the epoch of the message.
SELECT t.tenant_id, t.kind, t.agency, t.declaration_id, t.why, t.opened_at, coalesce(m.epoch, 0), coalesce(m.attempts, 0)
  FROM task t
  LEFT JOIN message m ON m.tenant_id = t.tenant_id AND m.id = t.subject
 WHERE t.subject = $1 AND t.closed_at IS NULL
 ORDER BY t.opened_at DESC LIMIT 1
