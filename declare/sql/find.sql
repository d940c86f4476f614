-- Declarations of tenant $1 in statuses $2, behind ($3, $4), the latest
-- received first, at most $5: received from $6, at agency $7, of kind $8, of
-- port $9; '' stands for any. Each status is read from its own part of the index.
SELECT found.id, found.received_at
  FROM unnest($2::text[]) AS of (status)
 CROSS JOIN LATERAL (
        SELECT d.id, d.received_at FROM declaration d
         WHERE d.tenant_id = $1 AND d.status = of.status
           AND (d.received_at, d.id) < ($3::timestamptz, $4::text) AND d.received_at >= $6::timestamptz
           AND ($7::text = '' OR $7 = ANY (d.agencies)) AND ($8::text = '' OR d.kind = $8) AND ($9::text = '' OR d.port = $9)
         ORDER BY d.received_at DESC, d.id DESC LIMIT $5) found
 ORDER BY found.received_at DESC, found.id DESC LIMIT $5
