UPDATE webhook_endpoint
   SET url = coalesce($3, url), description = coalesce($4, description), event_types = coalesce($5, event_types),
       since = CASE WHEN $6 <> state THEN $7::timestamptz ELSE since END, state = coalesce($6, state)
 WHERE tenant_id = $1 AND id = $2
