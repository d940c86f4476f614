-- A notice that nothing here answers is an officer's task after a while.
INSERT INTO task (tenant_id, subject, kind, agency, why, opened_at)
SELECT '', id, 'unmatched', agency, 'unmatched', $2 FROM notice WHERE agency = ANY ($1::text[]) AND state = 'unmatched' AND received_at < $3
    ON CONFLICT DO NOTHING
