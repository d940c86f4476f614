-- Notices $2 found their declarations after all: no officer is needed any more.
WITH closed AS (
    UPDATE task t SET closed_at = $1
     WHERE t.closed_at IS NULL AND t.kind = 'unmatched' AND t.tenant_id = '' AND t.subject = ANY ($2::text[])
    RETURNING tenant_id, subject, kind, agency, declaration_id, why, opened_at
)
INSERT INTO task_closing (tenant_id, subject, kind, agency, declaration_id, why, opened_at, closed_at, resolution, closed_by, note)
SELECT tenant_id, subject, kind, agency, declaration_id, why, opened_at, $1, 'settled', 'singlewindow', 'the notice was matched' FROM closed
