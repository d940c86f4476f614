-- A stretch that began before may be known to have lasted longer; so may a total
-- after a declaration was opened again.
INSERT INTO clearance_span AS s (tenant_id, declaration_id, agency, stage, who, kind, port, chapters, agencies, started_at, ended_at, milliseconds)
SELECT d.tenant_id, d.id, u.agency, u.stage, u.who, d.kind, d.port, d.chapters, d.agencies, u.started_at, u.ended_at, u.milliseconds
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::bigint[])
       AS u (tenant_id, id, agency, stage, who, started_at, ended_at, milliseconds)
  JOIN declaration d ON d.tenant_id = u.tenant_id AND d.id = u.id
    ON CONFLICT (tenant_id, declaration_id, agency, stage, started_at)
    DO UPDATE SET ended_at = excluded.ended_at, milliseconds = excluded.milliseconds WHERE s.ended_at <> excluded.ended_at
