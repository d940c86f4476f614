-- What stages.sql gives, for each kind, port or chapter ($10). A declaration of
-- several chapters counts in each of them.
SELECT agency, stage, who, of, cardinality(times), (SELECT percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY took) FROM unnest(times) AS took)
  FROM (
     SELECT agency, stage, who, of, array_agg(milliseconds) AS times
       FROM clearance_span
      CROSS JOIN LATERAL unnest(CASE $10 WHEN 'kind' THEN ARRAY[kind] WHEN 'port' THEN ARRAY[port] ELSE chapters END) AS of
      WHERE ended_at >= $1 AND ended_at < $2
        AND ($3 = '' OR tenant_id = $3) AND ($4 = '' OR agency = $4) AND ($5 = '' OR kind = $5) AND ($6 = '' OR port = $6)
        AND ($7 = '' OR chapters @> ARRAY[$7]) AND ($8 = '' OR stage = $8) AND (NOT $9 OR agency = '')
      GROUP BY agency, stage, who, of) s
