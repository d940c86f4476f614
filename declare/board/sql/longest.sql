-- Like newest, of those that wait for somebody, the one that has waited longest first.
SELECT found.tenant_id, found.id, found.waiting_since
  FROM unnest($11::text[]) AS among (agencies)
 CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.id, d.waiting_since FROM declaration d
         WHERE d.status = ANY ($1::text[]) AND d.received_at >= $6::timestamptz AND d.received_at < $7::timestamptz
           AND ($11 = ARRAY[''] OR d.agency_set = among.agencies)
           AND ($2::text = '' OR $2 = ANY (d.agencies)) AND ($3::text = '' OR d.port = $3)
           AND ($4::text = '' OR d.waiting_who = $4) AND d.waiting_who <> 'nobody' AND d.waiting_since < $5::timestamptz
           AND (d.waiting_since, d.id) > ($8::timestamptz, $9::text)
         ORDER BY d.waiting_since, d.id LIMIT $10) found
 ORDER BY found.waiting_since, found.id LIMIT $10
