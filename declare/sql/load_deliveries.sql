-- How far the messages of declarations got, the latest of each agency last.
SELECT m.tenant_id, m.declaration_id, m.agency, m.id, m.delivery, m.reason, m.folder_digest
  FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
  JOIN message m ON m.tenant_id = k.tenant_id AND m.declaration_id = k.id
 ORDER BY m.created_at, m.id
