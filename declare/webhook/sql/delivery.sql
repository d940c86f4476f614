SELECT event_id, declaration_id, number, type, event_at, created_at, state, attempts, next_at, tried_at, status, reason, milliseconds
  FROM webhook_delivery WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3
