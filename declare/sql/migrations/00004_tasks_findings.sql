-- What closes an officer's task, what stands in the way of declarations, and
-- how often our own code failed on a message or a notice.

-- +goose Up

ALTER TABLE message
    ADD COLUMN failures integer NOT NULL DEFAULT 0,
    ADD COLUMN expiries integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN message.failures IS 'tries in which our own code failed; the third sets the message aside';
COMMENT ON COLUMN message.expiries IS 'leases that expired, one after the other, because their holder was gone';

ALTER TABLE notice ADD COLUMN failures integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN notice.failures IS 'tries to apply it in which our own code failed; after the third an officer decides';

-- Each closing of a task, for good: a task itself may be opened again.
CREATE TABLE task_closing (
    tenant_id      text NOT NULL DEFAULT '',
    subject        text NOT NULL,
    kind           text NOT NULL,
    agency         text NOT NULL,
    declaration_id text NOT NULL DEFAULT '',
    why            text NOT NULL,
    opened_at      timestamptz NOT NULL,
    closed_at      timestamptz NOT NULL,
    resolution     text NOT NULL CHECK (resolution IN ('delivered', 'resend', 'abandon', 'settled')),
    closed_by      text NOT NULL,
    note           text NOT NULL,
    PRIMARY KEY (tenant_id, subject, kind, closed_at)
);
COMMENT ON COLUMN task_closing.resolution IS 'settled: what the task asked came about by itself';

-- What the periodic examination found, so that it is told once.
CREATE TABLE finding (
    tenant_id      text NOT NULL DEFAULT '',
    declaration_id text NOT NULL DEFAULT '',
    code           text NOT NULL,
    agency         text NOT NULL DEFAULT '',
    since          timestamptz NOT NULL,
    told_at        timestamptz NOT NULL,
    seen_at        timestamptz NOT NULL,
    gone_at        timestamptz,
    PRIMARY KEY (tenant_id, declaration_id, code, agency)
);
CREATE INDEX finding_open ON finding (code, seen_at) WHERE gone_at IS NULL;

-- The one row says which process examines and when it is time again.
CREATE TABLE examination (
    id       boolean PRIMARY KEY DEFAULT true CHECK (id),
    examiner text NOT NULL,
    begun_at timestamptz NOT NULL,
    next_at  timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['task_closing', 'finding'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY scope ON %I USING ((SELECT scope_system()) OR tenant_id = ANY ((SELECT scope_tenants())::text[]) OR agency = (SELECT scope_agency()))', name);
    END LOOP;
END
$$;
-- +goose StatementEnd

GRANT SELECT, INSERT ON task_closing TO singlewindow_app;
GRANT SELECT, INSERT, UPDATE ON finding, examination TO singlewindow_app;
