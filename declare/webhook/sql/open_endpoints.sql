-- Of these tenants; of all when $1 is null.
SELECT tenant_id, id, event_types, cursor FROM webhook_endpoint
 WHERE state = 'on' AND ($1::text[] IS NULL OR tenant_id = ANY ($1))
