-- How many declarations there are in each of statuses $1, counted to $8; filters
-- as in newest, with the sets of agencies in $9.
SELECT of.status, (SELECT count(*) FROM (
        SELECT FROM unnest($9::text[]) AS among (agencies)
         CROSS JOIN LATERAL ( -- the limit has each set read from the index
                SELECT FROM declaration d
                 WHERE d.status = of.status AND d.received_at >= $6::timestamptz AND d.received_at < $7::timestamptz
                   AND ($9 = ARRAY[''] OR d.agency_set = among.agencies)
                   AND ($2::text = '' OR $2 = ANY (d.agencies)) AND ($3::text = '' OR d.port = $3)
                   AND ($4::text = '' OR d.waiting_who = $4) AND ($5::timestamptz = 'infinity' OR d.waiting_who <> 'nobody' AND d.waiting_since < $5)
                 LIMIT $8) found
         LIMIT $8) counted)
  FROM unnest($1::text[]) AS of (status)
