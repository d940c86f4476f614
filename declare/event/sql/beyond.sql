SELECT $1::xid8 > pg_snapshot_xmax(pg_current_snapshot())
