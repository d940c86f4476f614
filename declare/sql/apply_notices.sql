-- Gives notices to their declarations, in one order for every gateway.
WITH locked AS (
    SELECT n.id, n.received_at, a.tenant_id, a.declaration_id
      FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[]) AS a (id, received_at, tenant_id, declaration_id)
      JOIN notice n ON n.id = a.id AND n.received_at = a.received_at
     WHERE n.state = 'unmatched'
     ORDER BY n.id
       FOR UPDATE OF n
)
UPDATE notice n
   SET state = 'applied', tenant_id = l.tenant_id, declaration_id = l.declaration_id
  FROM locked l
 WHERE n.id = l.id AND n.received_at = l.received_at
