-- A probe that never reached the agency (reason $4 is empty) says nothing new of it.
UPDATE agency_state
   SET prober = '', prober_until = NULL, next_probe_at = $3, reason = CASE WHEN $4 = '' THEN reason ELSE $4 END
 WHERE agency = $1 AND prober = $2
