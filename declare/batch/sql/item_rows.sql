-- The items numbered $3 with their rows: no more of them once they have $4
-- bytes.
WITH fitting AS (
     SELECT number, reference, tries, sum(bytes) OVER (ORDER BY number) - bytes AS before FROM batch_item
      WHERE tenant_id = $1 AND batch_id = $2 AND number = ANY ($3::int[]))
SELECT f.number, f.reference, f.tries, r.content
  FROM fitting f
  JOIN batch_row r ON r.tenant_id = $1 AND r.batch_id = $2 AND r.item = f.number
 WHERE f.before <= $4
 ORDER BY f.number, r.number
