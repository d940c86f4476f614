-- A task that was closed may be opened again: how it was closed stays in task_closing.
INSERT INTO task AS t (tenant_id, subject, kind, agency, declaration_id, why, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, subject, kind) DO UPDATE SET why = excluded.why, opened_at = excluded.opened_at, closed_at = NULL WHERE t.closed_at IS NOT NULL
