-- Declarations that wait longer than they should: for an agency's decision
-- since before $1, for the trader since before $2, for an operator since
-- before $3. What waits for delivery is told by its messages. At most $4.
SELECT tenant_id, id, waiting_agency, waiting_who, waiting_why, waiting_since FROM declaration
 WHERE waiting_since < greatest($1::timestamptz, $2, $3)
   AND (waiting_who = 'agency' AND waiting_since < $1 OR waiting_who = 'trader' AND waiting_since < $2 OR waiting_who = 'operator' AND waiting_since < $3)
   AND waiting_why NOT IN ('queued', 'sending', 'unsure', 'setAside')
 ORDER BY waiting_since LIMIT $4
