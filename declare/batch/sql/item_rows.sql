SELECT i.number, i.reference, i.tries, r.content
  FROM batch_item i
  JOIN batch_row r ON r.tenant_id = i.tenant_id AND r.batch_id = i.batch_id AND r.item = i.number
 WHERE i.tenant_id = $1 AND i.batch_id = $2 AND i.number = $3
 ORDER BY r.number
