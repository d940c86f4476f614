-- Of each stage that ended from $1 until $2: how often, median and 90th
-- percentile. Each other filter is off where it is empty. The times are gathered
-- first, because that needs no sorting by stage.
SELECT agency, stage, who, cardinality(times), (SELECT percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY took) FROM unnest(times) AS took)
  FROM (
     SELECT agency, stage, who, array_agg(milliseconds) AS times
       FROM clearance_span
      WHERE ended_at >= $1 AND ended_at < $2
        AND ($3 = '' OR tenant_id = $3) AND ($4 = '' OR agency = $4) AND ($5 = '' OR kind = $5) AND ($6 = '' OR port = $6)
        AND ($7 = '' OR chapters @> ARRAY[$7]) AND ($8 = '' OR stage = $8) AND (NOT $9 OR agency = '')
      GROUP BY agency, stage, who) s
