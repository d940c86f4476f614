UPDATE filing
   SET decision = $4, since = $5, word = $6, remark = $7, numbers = $8, errors = $9
 WHERE tenant_id = $1 AND declaration_id = $2 AND agency = $3
