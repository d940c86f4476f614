-- What stages.sql gives, for each day or week ($9) in UTC.
SELECT agency, stage, date_trunc($9, ended_at AT TIME ZONE 'UTC')::date, count(*), percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY milliseconds)
  FROM clearance_span
 WHERE ended_at >= $1 AND ended_at < $2
   AND ($3 = '' OR tenant_id = $3) AND ($4 = '' OR agency = $4) AND ($5 = '' OR kind = $5) AND ($6 = '' OR port = $6)
   AND ($7 = '' OR chapters @> ARRAY[$7]) AND ($8 = '' OR stage = $8)
 GROUP BY 1, 2, 3
 ORDER BY 1, 2, 3
