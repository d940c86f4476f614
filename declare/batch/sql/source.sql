SELECT digest, bytes, name, kind, format, encoding, sheet, columns, heading, state FROM batch WHERE tenant_id = $1 AND id = $2
