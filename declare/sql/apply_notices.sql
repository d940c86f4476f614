UPDATE notice n
   SET state = 'applied', tenant_id = a.tenant_id, declaration_id = a.declaration_id
  FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[]) AS a (id, received_at, tenant_id, declaration_id)
 WHERE n.id = a.id AND n.received_at = a.received_at AND n.state = 'unmatched'
