-- About $1 declarations, drawn.
SELECT d.tenant_id, d.id
  FROM declaration d TABLESAMPLE SYSTEM (
       (SELECT least(100, 120.0 * $1::bigint / greatest(c.reltuples, 1))::real FROM pg_class c WHERE c.oid = 'declaration'::regclass))
 LIMIT $1
