-- An officer's word moves a message that waits for one, unless it has moved
-- since it was looked at (epoch $3). What was sent before stays known, so that
-- a copy is marked as a possible duplicate.
UPDATE message
   SET delivery = $4, epoch = epoch + 1, next_at = $6, since = $6, reason = $5, denials = 0, failures = 0, expiries = 0,
       settled_at = CASE WHEN $4 IN ('delivered', 'refused') THEN $6::timestamptz END
 WHERE tenant_id = $1 AND id = $2 AND epoch = $3 AND delivery IN ('unsure', 'setAside')
