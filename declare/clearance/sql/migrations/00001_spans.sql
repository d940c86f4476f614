-- How long each stage of each declaration took, as its events tell: one row for
-- each stretch that is over, and one for the time from acceptance to release.
-- Everything here can be made again from the events. The columns port, agencies
-- and chapters are the declaration's own, so that a question is answered from
-- this table alone.

-- +goose Up

CREATE TABLE clearance_span (
    tenant_id      text NOT NULL,
    declaration_id text NOT NULL,
    agency         text COLLATE "C" NOT NULL,
    stage          text COLLATE "C" NOT NULL CHECK (stage IN ('total', 'delivery', 'task', 'acceptance', 'review', 'documents', 'payment', 'inspection', 'suspension', 'cancellation')),
    who            text COLLATE "C" NOT NULL CHECK (who IN ('trader', 'gateway', 'agency', 'operator', '') AND (who = '') = (stage = 'total')),
    kind           text COLLATE "C" NOT NULL,
    port           text COLLATE "C" NOT NULL,
    chapters       text[] NOT NULL,
    agencies       text[] NOT NULL,
    started_at     timestamptz NOT NULL,
    ended_at       timestamptz NOT NULL,
    milliseconds   bigint NOT NULL CHECK (milliseconds >= 0),
    PRIMARY KEY (tenant_id, declaration_id, agency, stage, started_at)
);
COMMENT ON COLUMN clearance_span.agency IS 'on whose track; empty: the declaration as a whole, whose move it was';
COMMENT ON COLUMN clearance_span.agencies IS 'whom the declaration was filed to';
CREATE INDEX clearance_span_of_tenant ON clearance_span (tenant_id, ended_at);
CREATE INDEX clearance_span_in_time ON clearance_span USING brin (ended_at);
CREATE INDEX clearance_span_of_agency ON clearance_span (agency, stage, ended_at);

-- How far into the order of all events the folding has come.
CREATE TABLE clearance_cursor (
    id       boolean PRIMARY KEY DEFAULT true CHECK (id),
    xid      xid8 NOT NULL,
    position bigint NOT NULL
);
INSERT INTO clearance_cursor (xid, position) VALUES ('0', 0);

-- An agency sees its own track, and how long the declarations filed to it took
-- as a whole; a port sees what passed it.
ALTER TABLE clearance_span ENABLE ROW LEVEL SECURITY;
ALTER TABLE clearance_span FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON clearance_span USING ((SELECT scope_system()) OR tenant_id = ANY ((SELECT scope_tenants())::text[]));
CREATE POLICY scope_of_official ON clearance_span FOR SELECT USING (
    agency = (SELECT scope_agency())
    OR agency = '' AND stage = 'total' AND (SELECT scope_agency()) = ANY (agencies)
    OR port = (SELECT scope_port()));

GRANT SELECT, INSERT, UPDATE ON clearance_span, clearance_cursor TO singlewindow_app;
