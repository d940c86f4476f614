-- Health and queue length (counted to 10,000) of each agency.
SELECT s.agency, s.state, s.since, s.reason, s.next_probe_at, s.ramp_from,
       (SELECT count(*) FROM (SELECT FROM message m WHERE m.agency = s.agency AND m.delivery IN ('queued', 'unsure') LIMIT 10000) q)
  FROM agency_state s WHERE s.agency = ANY ($1::text[])
