SELECT b.body FROM declaration_body b
  JOIN declaration d ON d.tenant_id = b.tenant_id AND d.id = b.declaration_id AND d.version = b.version
 WHERE b.tenant_id = $1 AND b.declaration_id = $2
