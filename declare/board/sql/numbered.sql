-- Everything about the declarations that have number $12, in one pass. Filters
-- as in newest.
-- First the page: at most $10 in status $13 behind ($8, $9), the latest first or, when $11,
-- the one that has waited longest first. Then how many there are in each
-- status, as rows without a declaration.
WITH candidate AS (
    SELECT tenant_id, declaration_id FROM reference WHERE reference = $12::text
    UNION
    SELECT tenant_id, declaration_id FROM search_key WHERE value = $12
), matching AS MATERIALIZED (
    SELECT d.tenant_id, d.id, d.status, d.waiting_who, CASE WHEN $11::boolean THEN d.waiting_since ELSE d.received_at END AS at
      FROM candidate c
     CROSS JOIN LATERAL ( -- the limit makes it one look-up by the whole key
            SELECT tenant_id, id, status, port, agencies, waiting_who, waiting_since, received_at FROM declaration
             WHERE tenant_id = c.tenant_id AND id = c.declaration_id LIMIT 1) d
     WHERE d.status = ANY ($1::text[]) AND d.received_at >= $6::timestamptz AND d.received_at < $7::timestamptz
       AND ($2::text = '' OR $2 = ANY (d.agencies)) AND ($3::text = '' OR d.port = $3)
       AND ($4::text = '' OR d.waiting_who = $4) AND ($5::timestamptz = 'infinity' OR d.waiting_who <> 'nobody' AND d.waiting_since < $5)
)
(SELECT tenant_id, id, at, '' AS status, 0::bigint AS count FROM matching
  WHERE CASE WHEN $11 THEN waiting_who <> 'nobody' AND (at, id) > ($8::timestamptz, $9::text) ELSE (at, id) < ($8, $9) END
    AND ($13::text = '' OR status = $13)
  ORDER BY CASE WHEN $11 THEN at END, CASE WHEN NOT $11 THEN at END DESC, CASE WHEN $11 THEN id END, id DESC LIMIT $10)
UNION ALL
SELECT '', '', timestamptz 'epoch', status, count(*) FROM matching GROUP BY status
