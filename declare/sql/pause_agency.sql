-- The breaker opened (state paused) or our credential was refused (denied).
UPDATE agency_state
   SET state = $2, since = $3, reason = $4, next_probe_at = $5, prober = '', prober_until = NULL, ramp_from = NULL,
       trips = CASE WHEN state = 'connected' THEN $6 ELSE trips END
 WHERE agency = $1 AND (state = 'connected' OR state = 'paused' AND $2 = 'denied')
