-- Closes every open task about message or notice $2, and keeps who did it and why.
WITH closed AS (
    UPDATE task SET closed_at = $3 WHERE tenant_id = $1 AND subject = $2 AND closed_at IS NULL
    RETURNING tenant_id, subject, kind, agency, declaration_id, why, opened_at
)
INSERT INTO task_closing (tenant_id, subject, kind, agency, declaration_id, why, opened_at, closed_at, resolution, closed_by, note)
SELECT tenant_id, subject, kind, agency, declaration_id, why, opened_at, $3, $4, $5, $6 FROM closed
