SELECT agency, state, since, reason, next_probe_at, ramp_from, trips FROM agency_state WHERE agency = ANY ($1::text[])
