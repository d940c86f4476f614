SELECT id, agency, purpose, created_at, delivery, reason, attempts, first_sent_at, sent_at
  FROM message WHERE tenant_id = $1 AND declaration_id = $2 ORDER BY created_at, id
