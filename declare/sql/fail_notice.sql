-- One more try to apply a notice failed; the third leaves it to an officer.
UPDATE notice SET failures = failures + 1, state = CASE WHEN failures >= 2 THEN 'unreadable' ELSE state END, remark = CASE WHEN failures >= 2 THEN $3 ELSE remark END
 WHERE id = $1 AND received_at = $2 AND state = 'unmatched'
RETURNING state
