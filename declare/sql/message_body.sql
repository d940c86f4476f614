-- The latest message of a filing, as sent.
SELECT m.id, m.created_at, m.schema_digest, m.digest, b.body
  FROM message m
  JOIN message_body b ON b.tenant_id = m.tenant_id AND b.message_id = m.id AND b.created_at = m.created_at
 WHERE m.tenant_id = $1 AND m.declaration_id = $2 AND m.agency = $3
 ORDER BY m.created_at DESC, m.id DESC LIMIT 1
