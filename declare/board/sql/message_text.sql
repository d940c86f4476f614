-- The bytes of message $3 of declaration $2.
SELECT m.agency, b.body FROM message m
  JOIN message_body b ON b.tenant_id = m.tenant_id AND b.message_id = m.id AND b.created_at = m.created_at
 WHERE m.tenant_id = $1 AND m.declaration_id = $2 AND m.id = $3
