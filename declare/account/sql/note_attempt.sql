-- Counts an attempt before it is judged, so that many at once count too. No
-- row when the name is locked: $3 attempts, the last of them after $4. After
-- a pause that long the count begins again. $2 is now.
INSERT INTO sign_in_attempt AS a (name_hash, attempts, last_at) VALUES ($1, 1, $2)
ON CONFLICT (name_hash) DO UPDATE
   SET attempts = CASE WHEN a.last_at <= $4 THEN 1 ELSE a.attempts + 1 END, last_at = $2
 WHERE a.attempts < $3 OR a.last_at <= $4
