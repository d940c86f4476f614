-- What stages.sql gives, for each kind, port or chapter ($9). A declaration of
-- several chapters counts in each of them.
SELECT agency, stage, who, of, count(*), percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY milliseconds)
  FROM clearance_span
 CROSS JOIN LATERAL unnest(CASE $9 WHEN 'kind' THEN ARRAY[kind] WHEN 'port' THEN ARRAY[port] ELSE chapters END) AS of
 WHERE ended_at >= $1 AND ended_at < $2
   AND ($3 = '' OR tenant_id = $3) AND ($4 = '' OR agency = $4) AND ($5 = '' OR kind = $5) AND ($6 = '' OR port = $6)
   AND ($7 = '' OR chapters @> ARRAY[$7]) AND ($8 = '' OR stage = $8)
 GROUP BY agency, stage, who, of
