-- The declarations in statuses $1 after ($8, $9), the latest first, at most
-- $10: at agency $2, of port $3, waiting for $4, waiting since before $5,
-- received from $6 to before $7; '' stands for any. $11 are the sets of agencies
-- to look at, one '' for any. Each status, of each set, is read from its own end of
-- an index.
SELECT found.tenant_id, found.id, found.received_at
  FROM unnest($1::text[]) AS of (status)
 CROSS JOIN unnest($11::text[]) AS among (agencies)
 CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.id, d.received_at FROM declaration d
         WHERE d.status = of.status AND d.received_at >= $6::timestamptz AND d.received_at < $7::timestamptz
           AND ($11 = ARRAY[''] OR d.agency_set = among.agencies)
           AND ($2::text = '' OR $2 = ANY (d.agencies)) AND ($3::text = '' OR d.port = $3)
           AND ($4::text = '' OR d.waiting_who = $4) AND ($5::timestamptz = 'infinity' OR d.waiting_who <> 'nobody' AND d.waiting_since < $5)
           AND (d.received_at, d.id) < ($8::timestamptz, $9::text)
         ORDER BY d.received_at DESC, d.id DESC LIMIT $10) found
 ORDER BY found.received_at DESC, found.id DESC LIMIT $10
