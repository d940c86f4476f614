-- The declarations with an event among the next $3 after ($1, $2), and where
-- those end. Events of transactions still open, and all that began after them,
-- are left for later: nothing is passed over.
WITH next AS (
    SELECT tenant_id, declaration_id, xid, position FROM event
     WHERE (xid, position) > ($1::text::xid8, $2::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
     ORDER BY xid, position LIMIT $3),
last AS (SELECT xid, position FROM next ORDER BY xid DESC, position DESC LIMIT 1)
SELECT d.tenant_id, d.id, d.received_at, d.agencies, last.xid::text, last.position, (SELECT count(*) FROM next)
  FROM last, (SELECT DISTINCT tenant_id, declaration_id FROM next) n
  JOIN declaration d ON d.tenant_id = n.tenant_id AND d.id = n.declaration_id
