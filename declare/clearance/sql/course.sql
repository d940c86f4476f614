-- What stages.sql gives, for each day or week ($10) in UTC.
SELECT agency, stage, day, cardinality(times), (SELECT percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY took) FROM unnest(times) AS took)
  FROM (
     SELECT agency, stage, date_trunc($10, ended_at AT TIME ZONE 'UTC')::date AS day, array_agg(milliseconds) AS times
       FROM clearance_span
      WHERE ended_at >= $1 AND ended_at < $2
        AND ($3 = '' OR tenant_id = $3) AND ($4 = '' OR agency = $4) AND ($5 = '' OR kind = $5) AND ($6 = '' OR port = $6)
        AND ($7 = '' OR chapters @> ARRAY[$7]) AND ($8 = '' OR stage = $8) AND (NOT $9 OR agency = '')
      GROUP BY 1, 2, 3) s
 ORDER BY agency, stage, day
