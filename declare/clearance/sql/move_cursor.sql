UPDATE clearance_cursor SET xid = $1::text::xid8, position = $2
