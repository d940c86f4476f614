-- Whoever changes which delivery of a declaration comes next holds its endpoint.
SELECT state FROM webhook_endpoint WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted' FOR UPDATE
