-- As find, but of the declarations that carry reference $10 and any of the
-- numbers $11, which may be their own ids and references; '' and an empty list
-- stand for any, but not both.
SELECT d.id, d.received_at
  FROM (SELECT declaration_id FROM reference WHERE tenant_id = $1 AND $10::text <> '' AND reference = $10
        UNION
        SELECT declaration_id FROM reference WHERE tenant_id = $1 AND $10 = '' AND reference = ANY ($11::text[])
        UNION
        SELECT declaration_id FROM search_key WHERE tenant_id = $1 AND $10 = '' AND value = ANY ($11)
        UNION
        SELECT id FROM declaration WHERE tenant_id = $1 AND $10 = '' AND id = ANY ($11)) candidate
 CROSS JOIN LATERAL ( -- the limit makes it one look-up by the whole key
        SELECT * FROM declaration WHERE tenant_id = $1 AND id = candidate.declaration_id LIMIT 1) d
 WHERE d.status = ANY ($2::text[]) AND (d.received_at, d.id) < ($3::timestamptz, $4::text) AND d.received_at >= $6::timestamptz
   AND ($7::text = '' OR $7 = ANY (d.agencies)) AND ($8::text = '' OR d.kind = $8) AND ($9::text = '' OR d.port = $9)
   AND ($10 = '' OR cardinality($11) = 0 OR d.id = ANY ($11) OR d.reference = ANY ($11)
        OR EXISTS (SELECT FROM search_key k WHERE k.tenant_id = $1 AND k.value = ANY ($11) AND k.declaration_id = d.id))
 ORDER BY d.received_at DESC, d.id DESC LIMIT $5
