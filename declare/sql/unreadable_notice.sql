UPDATE notice SET state = 'unreadable', remark = $3 WHERE id = $1 AND received_at = $2 AND state = 'new'
