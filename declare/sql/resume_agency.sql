UPDATE agency_state
   SET state = 'connected', since = $3, reason = '', next_probe_at = NULL, prober = '', prober_until = NULL, ramp_from = $3
 WHERE agency = $1 AND prober = $2
