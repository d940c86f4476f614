UPDATE agency_state SET prober = '', prober_until = NULL, next_probe_at = $3, reason = $4 WHERE agency = $1 AND prober = $2
