-- How many tasks of each kind are open, and how many notices nothing here
-- answers yet (kind ''); each counted to 10,000.
SELECT kind, count(*) FROM (SELECT kind FROM task WHERE closed_at IS NULL ORDER BY opened_at LIMIT 10000) t GROUP BY kind
UNION ALL
SELECT '', count(*) FROM (SELECT FROM notice WHERE state = 'unmatched' ORDER BY received_at, id LIMIT 10000) n
