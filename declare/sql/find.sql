-- The declarations of tenant $1 that carry reference $2, or number $3 of any
-- kind (its own, an agency's, a bill, a container …); the latest ones when
-- neither is given. At most $4.
SELECT declaration_id FROM reference WHERE tenant_id = $1 AND reference = $2
UNION
(SELECT declaration_id FROM search_key WHERE tenant_id = $1 AND value = $3 ORDER BY declaration_id DESC LIMIT $4)
UNION
(SELECT id FROM declaration WHERE tenant_id = $1 AND $2 = '' AND $3 = '' ORDER BY id DESC LIMIT $4)
