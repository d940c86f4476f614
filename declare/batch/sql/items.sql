-- Items with verdict $3, '' for any, after item $4: at most $5, and no more of
-- them once they have $6 faults.
WITH next AS (
     SELECT number, reference, verdict, declaration_id, faults, jsonb_array_length(faults) AS count FROM batch_item
      WHERE tenant_id = $1 AND batch_id = $2 AND ($3 = '' OR verdict = $3) AND number > $4
      ORDER BY number LIMIT $5),
 fitting AS (
     SELECT number, reference, verdict, declaration_id, faults, sum(count) OVER (ORDER BY number) - count AS before FROM next)
SELECT number, reference, verdict, declaration_id, faults FROM fitting
 WHERE before <= $6
 ORDER BY number
