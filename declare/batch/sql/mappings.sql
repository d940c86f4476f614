SELECT name, kind, columns FROM batch_mapping WHERE tenant_id = $1 ORDER BY name
