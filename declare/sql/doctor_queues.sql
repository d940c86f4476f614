-- The agencies with messages waiting (counted to 10,000), or held for a reason,
-- and how each is doing. Messages that wait for an officer do not count.
WITH RECURSIVE waiting AS (
    SELECT '' AS agency -- before all; a search with no bound reads the whole queue while there are no statistics
    UNION ALL
    SELECT (SELECT m.agency FROM message m WHERE m.delivery IN ('queued', 'unsure') AND m.agency > w.agency ORDER BY m.agency LIMIT 1)
      FROM waiting w WHERE w.agency IS NOT NULL
), known AS (
    SELECT agency FROM waiting WHERE agency <> ''
    UNION
    SELECT agency FROM agency_state WHERE state <> 'connected'
)
SELECT k.agency, coalesce(s.state, 'connected'), coalesce(s.reason, ''), s.since, s.next_probe_at, q.number, q.oldest
  FROM known k
  LEFT JOIN agency_state s ON s.agency = k.agency
 CROSS JOIN LATERAL (
    SELECT count(*) AS number, min(created_at) AS oldest
      FROM (SELECT created_at FROM message m
             WHERE m.agency = k.agency AND m.delivery IN ('queued', 'unsure') AND NOT (m.delivery = 'unsure' AND m.reason = 'noWayToAsk')
             ORDER BY created_at LIMIT 10000) x) q
 ORDER BY k.agency
