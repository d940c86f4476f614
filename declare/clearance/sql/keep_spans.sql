-- A stretch that began before may be known to have lasted longer; so may a total
-- after a declaration was opened again. What is known already is not written
-- again: a conflict locks its row even where nothing changes.
INSERT INTO clearance_span AS s (tenant_id, declaration_id, agency, stage, who, kind, port, chapters, agencies, started_at, ended_at, milliseconds)
SELECT d.tenant_id, d.id, u.agency, u.stage, u.who, d.kind, d.port, d.chapters, d.agencies, u.started_at, u.ended_at, u.milliseconds
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::bigint[])
       AS u (tenant_id, id, agency, stage, who, started_at, ended_at, milliseconds)
  JOIN declaration d ON d.tenant_id = u.tenant_id AND d.id = u.id
 WHERE NOT EXISTS (
    SELECT FROM clearance_span k
     WHERE k.tenant_id = u.tenant_id AND k.declaration_id = u.id AND k.agency = u.agency COLLATE "C" AND k.stage = u.stage COLLATE "C"
       AND k.started_at = u.started_at AND k.ended_at = u.ended_at)
    ON CONFLICT (tenant_id, declaration_id, agency, stage, started_at)
    DO UPDATE SET ended_at = excluded.ended_at, milliseconds = excluded.milliseconds WHERE s.ended_at <> excluded.ended_at
