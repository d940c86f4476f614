-- The bytes of notice $3 about declaration $2.
SELECT agency, body FROM notice WHERE tenant_id = $1 AND declaration_id = $2 AND declaration_id <> '' AND id = $3
