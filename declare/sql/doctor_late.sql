-- Messages of agency $1 that are not delivered though they were accepted
-- before $2, and those whose lease expired three times or more. At most $3.
SELECT tenant_id, declaration_id, agency, id, reason, created_at, expiries >= 3
  FROM message
 WHERE agency = $1 AND delivery IN ('queued', 'unsure') AND (created_at < $2 OR expiries >= 3) AND NOT (delivery = 'unsure' AND reason = 'noWayToAsk')
 LIMIT $3
