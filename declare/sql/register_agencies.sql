-- Makes agencies known. One that refused our credential is tried again at once:
-- an operator restarts after mending it.
INSERT INTO agency_state AS a (agency, since) SELECT unnest($1::text[]), $2
    ON CONFLICT (agency) DO UPDATE SET next_probe_at = excluded.since WHERE a.state = 'denied'
