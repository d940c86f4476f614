INSERT INTO webhook_delivery (tenant_id, endpoint_id, event_id, declaration_id, number, type, event_at, body, created_at, state, next_at)
SELECT $1, $2, u.event_id, u.declaration_id, u.number, u.type, u.event_at, u.body, $3, 'pending', $3
  FROM unnest($4::text[], $5::text[], $6::integer[], $7::text[], $8::timestamptz[], $9::bytea[]) AS u (event_id, declaration_id, number, type, event_at, body)
