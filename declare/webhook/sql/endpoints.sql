-- One endpoint, or all when $2 is empty, each with its secrets that hold at $3.
SELECT e.id, e.url, e.description, e.event_types, e.state, e.since, e.created_at, e.delivered_at, s.created, s.expires
  FROM webhook_endpoint e
 CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(created_at ORDER BY number DESC), '{}') AS created, coalesce(array_agg(expires_at ORDER BY number DESC), '{}') AS expires
      FROM webhook_secret WHERE tenant_id = e.tenant_id AND endpoint_id = e.id AND (expires_at IS NULL OR expires_at > $3)) s
 WHERE e.tenant_id = $1 AND ($2 = '' OR e.id = $2) AND e.state <> 'deleted'
 ORDER BY e.id
