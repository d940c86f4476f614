-- Files of many declarations: the file itself, its rows, the items made of
-- them, and the tenants' names for columns. The jobs are River's, in a schema
-- of their own; what River makes there later is the application's to use too.

-- +goose Up

CREATE SCHEMA IF NOT EXISTS river;
GRANT USAGE ON SCHEMA river TO singlewindow_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA river GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO singlewindow_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA river GRANT USAGE, SELECT ON SEQUENCES TO singlewindow_app;

-- A file by its own digest: the same file is kept once, and an upload that
-- broke off leaves nothing that another one cannot use.
CREATE TABLE batch_file (
    tenant_id text NOT NULL,
    digest    bytea NOT NULL CHECK (length(digest) = 32),
    number    integer NOT NULL CHECK (number >= 1),
    content   bytea COMPRESSION lz4 NOT NULL CHECK (length(content) BETWEEN 1 AND 1048576),
    PRIMARY KEY (tenant_id, digest, number)
);

-- turn counts the slices of work: whoever writes must hold the turn, and no
-- other slice begins while the lease holds.
CREATE TABLE batch (
    tenant_id      text NOT NULL,
    id             text NOT NULL CHECK (id ~ '^bat_[0-9A-HJKMNP-TV-Z]{26}$'),
    fingerprint    bytea NOT NULL CHECK (length(fingerprint) = 32),
    digest         bytea NOT NULL CHECK (length(digest) = 32),
    bytes          bigint NOT NULL CHECK (bytes BETWEEN 1 AND 104857600),
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    kind           text NOT NULL,
    format         text NOT NULL CHECK (format IN ('', 'csv', 'xlsx', 'ndjson', 'xml')),
    encoding       text NOT NULL CHECK (length(encoding) <= 40),
    sheet          text NOT NULL CHECK (length(sheet) <= 100),
    columns        jsonb NOT NULL DEFAULT '{}',
    heading        bytea COMPRESSION lz4 NOT NULL DEFAULT '{}',
    dry_run        boolean NOT NULL,
    all_or_nothing boolean NOT NULL,
    checked        boolean NOT NULL,
    state          text NOT NULL DEFAULT 'reading' CHECK (state IN ('reading', 'filing', 'done', 'refused')),
    rows           integer NOT NULL DEFAULT 0 CHECK (rows >= 0),
    items          integer NOT NULL DEFAULT 0 CHECK (items BETWEEN 0 AND rows),
    filed          integer NOT NULL DEFAULT 0 CHECK (filed >= 0),
    rejected       integer NOT NULL DEFAULT 0 CHECK (rejected >= 0),
    valid          integer NOT NULL DEFAULT 0 CHECK (valid >= 0),
    faults         jsonb NOT NULL DEFAULT '[]',
    received_at    timestamptz NOT NULL,
    finished_at    timestamptz,
    turn           bigint NOT NULL DEFAULT 0 CHECK (turn >= 0),
    tries          integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    lease_until    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, fingerprint),
    CHECK (filed + rejected + valid <= items),
    CHECK (NOT dry_run OR filed = 0),
    CHECK ((state IN ('done', 'refused')) = (finished_at IS NOT NULL))
);
CREATE INDEX batch_open ON batch (lease_until) WHERE state IN ('reading', 'filing');
COMMENT ON COLUMN batch.checked IS 'items may be filed: there is no first pass, or it found nothing';

-- number is the row's place among those read, line is what the user's program
-- shows for it. content is bytes because a cell may hold what the database
-- refuses in a text.
CREATE TABLE batch_row (
    tenant_id text NOT NULL,
    batch_id  text NOT NULL,
    number    integer NOT NULL CHECK (number >= 1),
    item      integer NOT NULL CHECK (item >= 1),
    sheet     text NOT NULL DEFAULT '',
    line      integer NOT NULL CHECK (line >= 1),
    content   bytea COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (tenant_id, batch_id, number)
);
CREATE INDEX batch_row_of_item ON batch_row (tenant_id, batch_id, item, number);

CREATE TABLE batch_item (
    tenant_id      text NOT NULL,
    batch_id       text NOT NULL,
    number         integer NOT NULL CHECK (number >= 1),
    reference      text NOT NULL DEFAULT '' CHECK (length(reference) <= 100),
    bytes          bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    verdict        text NOT NULL DEFAULT 'waiting' CHECK (verdict IN ('waiting', 'filed', 'rejected', 'valid')),
    declaration_id text NOT NULL DEFAULT '',
    tries          integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    faults         jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (tenant_id, batch_id, number),
    CHECK ((verdict = 'filed') = (declaration_id <> '')),
    CHECK ((verdict = 'rejected') = (faults <> '[]'))
);
CREATE INDEX batch_item_of_verdict ON batch_item (tenant_id, batch_id, verdict, number);

CREATE TABLE batch_mapping (
    tenant_id text NOT NULL,
    name      text NOT NULL CHECK (name ~ '^[A-Za-z0-9._-]{1,64}$'),
    kind      text NOT NULL,
    columns   jsonb NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['batch_file', 'batch', 'batch_row', 'batch_item', 'batch_mapping'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY scope ON %I USING ((SELECT scope_system()) OR tenant_id = ANY ((SELECT scope_tenants())::text[]))', name);
    END LOOP;
END
$$;
-- +goose StatementEnd

GRANT SELECT, INSERT, UPDATE ON batch_file, batch, batch_row, batch_item, batch_mapping TO singlewindow_app;
