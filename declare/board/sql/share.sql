-- How many declarations an agency $1 and a port $2 have since $4, counted to $5;
-- $3 is the lowest id that may have been received since then.
SELECT (SELECT count(*) FROM (SELECT FROM filing WHERE agency = $1 AND declaration_id >= $3 ORDER BY declaration_id DESC LIMIT $5) one),
       (SELECT count(*) FROM (SELECT FROM declaration WHERE port = $2 AND port <> '' AND received_at >= $4 ORDER BY received_at DESC LIMIT $5) other)
