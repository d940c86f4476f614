SELECT tenant_id, declaration_id FROM event WHERE xid >= $1 AND xid < $2 ORDER BY xid, position LIMIT $3
