INSERT INTO event (tenant_id, declaration_id, number, id, type, at)
SELECT tenant_id, declaration_id, 1, id, 'declaration.accepted', at
  FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS e (tenant_id, declaration_id, id, at)
