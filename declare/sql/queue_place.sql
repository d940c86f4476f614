-- How many messages of the agency stand before this one (counting at most
-- 10,000; one that only an officer can move stands in nobody's way), and when
-- it is to be tried; and whether the agency is paused.
SELECT (SELECT count(*) FROM (
            SELECT FROM message o
             WHERE o.agency = m.agency AND o.delivery IN ('queued', 'unsure') AND o.reason <> 'noWayToAsk' AND (o.created_at, o.id) < (m.created_at, m.id)
             ORDER BY o.created_at, o.id LIMIT 10000) before),
       greatest(m.next_at, coalesce(a.next_probe_at, m.next_at)), a.agency IS NOT NULL
  FROM message m
  LEFT JOIN agency_state a ON a.agency = m.agency AND a.state <> 'connected'
 WHERE m.id = $1 AND m.delivery = 'queued'
