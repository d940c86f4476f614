SELECT e.xid, e.position, e.tenant_id, e.declaration_id, coalesce(d.reference, ''), e.id, e.number, e.type, e.agency, e.at, e.data
  FROM event e
  LEFT JOIN declaration d ON d.tenant_id = e.tenant_id AND d.id = e.declaration_id
 WHERE (e.xid, e.position) > ($1::xid8, $2::bigint)
   AND e.xid < least($3::xid8, pg_snapshot_xmin(pg_current_snapshot()))
 ORDER BY e.xid, e.position
 LIMIT $4
