-- The sets of agencies, of those that declarations were filed to, that have all
-- of $1: from one to the next in an index, so that it does not matter how many
-- declarations there are.
WITH RECURSIVE known (agencies) AS (
    (SELECT agency_set FROM declaration ORDER BY agency_set LIMIT 1)
    UNION ALL
    SELECT next.agency_set FROM known
     CROSS JOIN LATERAL (SELECT agency_set FROM declaration WHERE agency_set > known.agencies ORDER BY agency_set LIMIT 1) next
)
SELECT agencies FROM known WHERE string_to_array(agencies, ',') @> $1::text[]
