-- One process at a time may probe; a prober that died gives way.
UPDATE agency_state SET prober = $2, prober_until = $4
 WHERE agency = $1 AND state IN ('paused', 'denied') AND next_probe_at <= $3 AND (prober = '' OR prober_until < $3)
RETURNING state
