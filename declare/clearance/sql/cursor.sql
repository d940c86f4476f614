SELECT xid::text, position FROM clearance_cursor
