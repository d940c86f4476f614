-- Keeps findings; gives those that are news: never seen, or gone and back. Who
-- looked before one was gone, and is late to say so, brings none back.
INSERT INTO finding AS f (tenant_id, declaration_id, code, agency, since, told_at, seen_at)
SELECT tenant_id, declaration_id, code, agency, since, $6, $6
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) AS n (tenant_id, declaration_id, code, agency, since)
    ON CONFLICT (tenant_id, declaration_id, code, agency) DO UPDATE
       SET seen_at = greatest(f.seen_at, excluded.seen_at), gone_at = NULL,
           told_at = CASE WHEN f.gone_at IS NULL THEN f.told_at ELSE excluded.told_at END,
           since = CASE WHEN f.gone_at IS NULL THEN f.since ELSE excluded.since END
     WHERE f.gone_at IS NULL OR f.gone_at < excluded.seen_at
RETURNING tenant_id, declaration_id, code, agency, since, told_at = $6
