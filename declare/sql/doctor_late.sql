-- Messages of agency $1 that are not delivered though they were accepted
-- before $2, and those whose lease expired three times or more. At most $3,
-- the oldest of them.
(SELECT tenant_id, declaration_id, agency, id, reason, created_at, expiries >= 3
   FROM message
  WHERE agency = $1 AND delivery IN ('queued', 'unsure') AND created_at < $2 AND NOT (delivery = 'unsure' AND reason = 'noWayToAsk')
  ORDER BY created_at, id LIMIT $3)
UNION ALL
(SELECT tenant_id, declaration_id, agency, id, reason, created_at, true
   FROM message
  WHERE agency = $1 AND delivery IN ('queued', 'unsure') AND expiries >= 3 AND created_at >= $2 AND NOT (delivery = 'unsure' AND reason = 'noWayToAsk')
  ORDER BY created_at LIMIT $3)
 ORDER BY 6, 4 LIMIT $3
