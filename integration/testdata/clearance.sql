-- 200,000 declarations of the last month, six spans each: the whole, and one agency of two.
SELECT set_config('app.scope', 'system', false);
INSERT INTO clearance_span (tenant_id, declaration_id, agency, stage, who, kind, port, chapters, agencies, started_at, ended_at, milliseconds)
SELECT 't' || n % 200, 'dec_' || n, s.agency, s.stage, s.who, 'goods', 'P' || n % 20, ARRAY[lpad((n % 97 + 1)::text, 2, '0')], ARRAY['one', 'two'],
       now() - make_interval(secs => n * 12), now() - make_interval(secs => n * 12) + make_interval(secs => took / 1000), took
  FROM generate_series(1, 200000) n
 CROSS JOIN (VALUES ('', 'total', ''), ('', 'delivery', 'gateway'), ('', 'review', 'agency'), ('one', 'total', ''), ('one', 'acceptance', 'agency'), ('two', 'review', 'agency')) s (agency, stage, who)
 CROSS JOIN LATERAL (SELECT (n * 7919::bigint + length(s.stage) * 104729) % 100000000 AS took) AS t;
ANALYZE clearance_span;
