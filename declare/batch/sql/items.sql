SELECT number, reference, verdict, declaration_id, faults FROM batch_item
 WHERE tenant_id = $1 AND batch_id = $2 AND ($3 = '' OR verdict = $3) AND number > $4
 ORDER BY number LIMIT $5
