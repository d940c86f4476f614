-- A notice shows that the agency has the message it names, or, where it names
-- none, the declaration's original. $3 are the states that this moves; who
-- holds a message under way is left to settle it first.
UPDATE message m
   SET delivery = 'delivered', epoch = m.epoch + 1, reason = $4, next_at = $5, since = $5, settled_at = $5,
       first_sent_at = coalesce(m.first_sent_at, $5)
  FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
 WHERE m.tenant_id = k.tenant_id AND m.declaration_id = k.id AND m.delivery = ANY ($3::text[])
   AND EXISTS (
       SELECT FROM notice n
        WHERE n.tenant_id = m.tenant_id AND n.declaration_id = m.declaration_id AND n.declaration_id <> '' AND n.agency = m.agency
          AND (n.message_id = m.id OR n.message_id = '' AND m.purpose = 'original'))
RETURNING m.tenant_id, m.declaration_id, m.agency, m.id, m.attempts
