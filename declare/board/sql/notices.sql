SELECT id, agency, source, received_at, word, decision, remark
  FROM notice WHERE tenant_id = $1 AND declaration_id = $2 AND declaration_id <> '' ORDER BY received_at, id
