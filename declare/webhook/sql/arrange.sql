-- Of each of these declarations ($3) the first delivery that is not over is
-- pending, unless one is under way; all others wait. The caller holds the
-- endpoint's row. Each delivery asks after those before it, in an index: a join
-- of all with all is what a new table, of which nothing is known, would get.
UPDATE webhook_delivery d SET state = CASE d.state WHEN 'pending' THEN 'waiting' ELSE 'pending' END
 WHERE d.tenant_id = $1 AND d.endpoint_id = $2 AND d.declaration_id = ANY ($3::text[]) AND d.state IN ('waiting', 'pending')
   AND d.state <> CASE WHEN EXISTS (
        SELECT FROM webhook_delivery o
         WHERE o.tenant_id = $1 AND o.endpoint_id = $2 AND o.declaration_id = d.declaration_id
           AND o.state IN ('waiting', 'pending', 'sending') AND (o.number < d.number OR o.state = 'sending')) THEN 'waiting' ELSE 'pending' END
