-- Writes down what a notice means; message_id is what the agency echoed.
UPDATE notice
   SET state = 'unmatched', message_id = $3, numbers = $4, issued_at = $5, version = $6, rank = $7, word = $8,
       decision = $9, reopens = $10, remark = $11, errors = $12
 WHERE id = $1 AND received_at = $2 AND state = 'new'
