-- Of each of these declarations ($3) the first delivery that is not over is
-- pending, unless one is under way; all others wait. The caller holds the
-- endpoint's row.
UPDATE webhook_delivery d SET state = a.state
  FROM (
    SELECT event_id,
           CASE WHEN row_number() OVER (PARTITION BY declaration_id ORDER BY number) = 1
                 AND NOT bool_or(state = 'sending') OVER (PARTITION BY declaration_id) THEN 'pending' ELSE 'waiting' END AS state
      FROM webhook_delivery
     WHERE tenant_id = $1 AND endpoint_id = $2 AND declaration_id = ANY ($3::text[]) AND state IN ('waiting', 'pending', 'sending')) a
 WHERE d.tenant_id = $1 AND d.endpoint_id = $2 AND d.event_id = a.event_id AND d.state IN ('waiting', 'pending') AND d.state <> a.state
