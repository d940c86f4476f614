-- The next items with verdict $3 after item $4, with their rows: at most $5,
-- and no more of them once they have $6 bytes.
WITH next AS (
     SELECT number, reference, bytes, tries FROM batch_item
      WHERE tenant_id = $1 AND batch_id = $2 AND verdict = $3 AND number > $4
      ORDER BY number LIMIT $5),
 fitting AS (
     SELECT number, reference, tries, sum(bytes) OVER (ORDER BY number) - bytes AS before FROM next)
SELECT f.number, f.reference, f.tries, r.content
  FROM fitting f
  JOIN batch_row r ON r.tenant_id = $1 AND r.batch_id = $2 AND r.item = f.number
 WHERE f.before <= $6
 ORDER BY f.number, r.number
