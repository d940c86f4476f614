SELECT agency, agency_version, decision, since, word, remark, numbers, errors, duties, documents
  FROM filing WHERE tenant_id = $1 AND declaration_id = $2 ORDER BY agency
