-- Notices that were stored and not yet read when a process ended.
SELECT id, received_at, agency, body FROM notice WHERE agency = ANY ($1::text[]) AND state = 'new' AND received_at < $2 ORDER BY received_at LIMIT 100
