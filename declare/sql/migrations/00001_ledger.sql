-- The ledger. Every table carries the tenant first in its key, so that the
-- tables can be spread over several servers; every table with a tenant has
-- row-level security forced, so that a forgotten predicate shows nothing.
-- No foreign keys between hot rows: they cost two thirds of the rate, and the
-- one transaction at intake writes all rows of a declaration together.

-- +goose Up

-- +goose StatementBegin
-- Roles belong to the server, not to the database: another ledger on it may be
-- making this one at the same moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'singlewindow_app') THEN
        BEGIN
            CREATE ROLE singlewindow_app NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
        END;
    END IF;
    BEGIN
        EXECUTE format('GRANT singlewindow_app TO %I', current_user);
    EXCEPTION WHEN unique_violation THEN
    END;
END
$$;
-- +goose StatementEnd

-- The scope of a transaction: 'tenant:a,b' | 'agency:name' | 'system'.
CREATE FUNCTION scope_tenants() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN starts_with(current_setting('app.scope', true), 'tenant:')
          THEN string_to_array(substr(current_setting('app.scope', true), 8), ',')
          ELSE '{}'::text[] END $$;
CREATE FUNCTION scope_agency() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN starts_with(current_setting('app.scope', true), 'agency:')
          THEN substr(current_setting('app.scope', true), 8) END $$;
CREATE FUNCTION scope_system() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT coalesce(current_setting('app.scope', true), '') = 'system' $$;

CREATE TABLE tenant (
    id         text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,29}$'),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL
);

CREATE TABLE declaration (
    tenant_id      text NOT NULL,
    id             text NOT NULL CHECK (id ~ '^dec_[0-9A-HJKMNP-TV-Z]{26}$'),
    kind           text NOT NULL,
    reference      text NOT NULL CHECK (reference ~ '^[A-Za-z0-9._-]{1,35}$'),
    version        integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    status         text NOT NULL CHECK (status IN ('processing', 'actionNeeded', 'held', 'cleared', 'closed', 'rejected', 'cancelled')),
    waiting_who    text NOT NULL CHECK (waiting_who IN ('trader', 'agency', 'operator', 'nobody')),
    waiting_agency text NOT NULL DEFAULT '',
    waiting_why    text NOT NULL DEFAULT '',
    waiting_since  timestamptz NOT NULL,
    received_at    timestamptz NOT NULL,
    event_count    integer NOT NULL DEFAULT 0 CHECK (event_count >= 0),
    PRIMARY KEY (tenant_id, id)
);

-- What the enterprise said, byte for byte as understood: every version.
CREATE TABLE declaration_body (
    tenant_id      text NOT NULL,
    declaration_id text NOT NULL,
    version        integer NOT NULL,
    received_at    timestamptz NOT NULL,
    digest         bytea NOT NULL CHECK (length(digest) = 32),
    body           bytea COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (tenant_id, declaration_id, version, received_at)
) PARTITION BY RANGE (received_at);

CREATE TABLE filing (
    tenant_id      text NOT NULL,
    declaration_id text NOT NULL,
    agency         text NOT NULL,
    agency_version text NOT NULL,
    decision       text NOT NULL DEFAULT 'none' CHECK (decision IN ('none', 'received', 'accepted', 'underReview', 'documentsRequired', 'paymentDue', 'inspection', 'suspended', 'releasedConditionally', 'released', 'closed', 'rejected', 'cancelPending', 'cancelled')),
    since          timestamptz NOT NULL,
    word           text NOT NULL DEFAULT '',
    remark         text NOT NULL DEFAULT '',
    numbers        jsonb NOT NULL DEFAULT '{}',
    errors         jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (tenant_id, declaration_id, agency)
);

-- The message row is the queue. While it is being sent it has a lease and an
-- epoch; whoever settles it must hold that epoch.
CREATE TABLE message (
    tenant_id      text NOT NULL,
    id             text NOT NULL CHECK (id ~ '^msg_[0-9A-HJKMNP-TV-Z]{26}$'),
    declaration_id text NOT NULL,
    agency         text NOT NULL,
    purpose        text NOT NULL CHECK (purpose IN ('original', 'amendment', 'cancellation', 'document')),
    schema_digest  text NOT NULL,
    digest         bytea NOT NULL CHECK (length(digest) = 32),
    created_at     timestamptz NOT NULL,
    delivery       text NOT NULL CHECK (delivery IN ('queued', 'sending', 'unsure', 'delivered', 'refused', 'setAside')),
    epoch          bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    attempts       integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    denials        integer NOT NULL DEFAULT 0 CHECK (denials >= 0),
    first_sent_at  timestamptz,
    sent_at        timestamptz,
    lease_until    timestamptz,
    next_at        timestamptz NOT NULL,
    settled_at     timestamptz,
    reason         text NOT NULL DEFAULT '',
    since          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((delivery = 'sending') = (lease_until IS NOT NULL)),
    CHECK ((delivery IN ('delivered', 'refused')) = (settled_at IS NOT NULL)),
    CHECK (delivery = 'queued' OR first_sent_at IS NOT NULL OR delivery = 'setAside')
);
CREATE UNIQUE INDEX message_of_id ON message (id);
CREATE INDEX message_of_declaration ON message (tenant_id, declaration_id);
CREATE INDEX message_due ON message (agency, tenant_id, next_at) WHERE delivery IN ('queued', 'unsure');
CREATE INDEX message_unsure ON message (agency, next_at) WHERE delivery = 'unsure';
CREATE INDEX message_leased ON message (lease_until) WHERE delivery = 'sending';

CREATE TABLE message_body (
    tenant_id  text NOT NULL,
    message_id text NOT NULL,
    agency     text NOT NULL,
    created_at timestamptz NOT NULL,
    body       bytea COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (tenant_id, message_id, created_at)
) PARTITION BY RANGE (created_at);

-- The inbox: everything heard, kept as it came. tenant_id and the ids behind
-- it are empty until the notice is matched.
CREATE TABLE notice (
    id             text NOT NULL CHECK (id ~ '^ntc_[0-9A-HJKMNP-TV-Z]{26}$'),
    received_at    timestamptz NOT NULL,
    agency         text NOT NULL,
    source         text NOT NULL CHECK (source IN ('answer', 'notice')),
    state          text NOT NULL CHECK (state IN ('unmatched', 'applied', 'unreadable')),
    digest         bytea NOT NULL CHECK (length(digest) = 32),
    body           bytea COMPRESSION lz4 NOT NULL,
    tenant_id      text NOT NULL DEFAULT '',
    declaration_id text NOT NULL DEFAULT '',
    message_id     text NOT NULL DEFAULT '',
    numbers        jsonb NOT NULL DEFAULT '{}',
    issued_at      timestamptz,
    version        integer NOT NULL DEFAULT 0,
    rank           integer NOT NULL DEFAULT 0,
    word           text NOT NULL DEFAULT '',
    decision       text NOT NULL DEFAULT 'none',
    reopens        boolean NOT NULL DEFAULT false,
    remark         text NOT NULL DEFAULT '',
    errors         jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (id, received_at),
    CHECK ((state = 'applied') = (declaration_id <> ''))
) PARTITION BY RANGE (received_at);
CREATE INDEX notice_of_declaration ON notice (tenant_id, declaration_id) WHERE declaration_id <> '';
CREATE INDEX notice_open ON notice (agency, received_at) WHERE state = 'unmatched';

-- One row per different notice of an agency: a copy raises the count.
CREATE TABLE notice_digest (
    agency      text NOT NULL,
    digest      bytea NOT NULL,
    notice_id   text NOT NULL,
    received_at timestamptz NOT NULL,
    copies      integer NOT NULL DEFAULT 1,
    PRIMARY KEY (agency, digest)
);

-- What happened, in order. position orders commits together with xid;
-- number is gap-free per declaration.
CREATE TABLE event (
    tenant_id      text NOT NULL,
    declaration_id text NOT NULL,
    number         integer NOT NULL CHECK (number >= 1),
    position       bigint GENERATED ALWAYS AS IDENTITY,
    xid            xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id             text NOT NULL CHECK (id ~ '^evt_[0-9A-HJKMNP-TV-Z]{26}$'),
    type           text NOT NULL,
    agency         text NOT NULL DEFAULT '',
    at             timestamptz NOT NULL,
    data           jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, declaration_id, number, at)
) PARTITION BY RANGE (at);
CREATE INDEX event_in_order ON event (tenant_id, xid, position);

-- Narrow tables that hold what must be unique.
CREATE TABLE reference (
    tenant_id      text NOT NULL,
    reference      text NOT NULL,
    declaration_id text NOT NULL,
    PRIMARY KEY (tenant_id, reference)
);

CREATE TABLE idempotency (
    tenant_id      text NOT NULL,
    key            text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    digest         bytea NOT NULL CHECK (length(digest) = 32),
    declaration_id text NOT NULL,
    receipt        bytea COMPRESSION lz4 NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);

-- Any number a user may hold finds the declaration.
CREATE TABLE search_key (
    tenant_id      text NOT NULL,
    value          text NOT NULL,
    name           text NOT NULL,
    declaration_id text NOT NULL,
    PRIMARY KEY (tenant_id, value, name, declaration_id)
);

-- The numbers an agency gave: they match its later notices.
CREATE TABLE agency_number (
    agency         text NOT NULL,
    name           text NOT NULL,
    value          text NOT NULL,
    tenant_id      text NOT NULL,
    declaration_id text NOT NULL,
    PRIMARY KEY (agency, name, value)
);

-- Whether an agency is being sent to: one truth for every process.
CREATE TABLE agency_state (
    agency        text PRIMARY KEY,
    state         text NOT NULL DEFAULT 'connected' CHECK (state IN ('connected', 'paused', 'denied')),
    since         timestamptz NOT NULL,
    reason        text NOT NULL DEFAULT '',
    next_probe_at timestamptz,
    prober        text NOT NULL DEFAULT '',
    prober_until  timestamptz,
    ramp_from     timestamptz
);
COMMENT ON COLUMN agency_state.state IS 'connected: messages flow; paused: the breaker holds them; denied: our credential was refused';

-- What an officer must decide.
CREATE TABLE task (
    tenant_id      text NOT NULL DEFAULT '',
    subject        text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('unsure', 'setAside', 'unmatched', 'unreadable', 'denied')),
    agency         text NOT NULL,
    declaration_id text NOT NULL DEFAULT '',
    why            text NOT NULL,
    opened_at      timestamptz NOT NULL,
    closed_at      timestamptz,
    PRIMARY KEY (tenant_id, subject, kind)
);
CREATE INDEX task_open ON task (opened_at) WHERE closed_at IS NULL;

-- Monthly partitions; the default one catches rows when the clock is strange.
CREATE TABLE declaration_body_rest PARTITION OF declaration_body DEFAULT;
CREATE TABLE message_body_rest PARTITION OF message_body DEFAULT;
CREATE TABLE notice_rest PARTITION OF notice DEFAULT;
CREATE TABLE event_rest PARTITION OF event DEFAULT;

-- +goose StatementBegin
CREATE FUNCTION make_partitions(first date, months integer) RETURNS void LANGUAGE plpgsql AS
$$
DECLARE
    parent text;
    month  date;
BEGIN
    FOREACH parent IN ARRAY ARRAY['declaration_body', 'message_body', 'notice', 'event'] LOOP
        FOR i IN 0 .. months - 1 LOOP
            month := date_trunc('month', first)::date + make_interval(months => i);
            EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                parent || to_char(month, '_YYYY_MM'), parent,
                month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
        END LOOP;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['declaration', 'declaration_body', 'reference', 'idempotency', 'search_key', 'event'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY scope ON %I USING ((SELECT scope_system()) OR tenant_id = ANY ((SELECT scope_tenants())::text[]))', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['filing', 'message', 'message_body', 'notice', 'agency_number', 'task'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY scope ON %I USING ((SELECT scope_system()) OR tenant_id = ANY ((SELECT scope_tenants())::text[]) OR agency = (SELECT scope_agency()))', name);
    END LOOP;
    ALTER TABLE notice_digest ENABLE ROW LEVEL SECURITY;
    ALTER TABLE notice_digest FORCE ROW LEVEL SECURITY;
    CREATE POLICY scope ON notice_digest USING ((SELECT scope_system()) OR agency = (SELECT scope_agency()));
    ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
    ALTER TABLE tenant FORCE ROW LEVEL SECURITY;
    CREATE POLICY scope ON tenant USING ((SELECT scope_system()) OR id = ANY ((SELECT scope_tenants())::text[]));
END
$$;
-- +goose StatementEnd

-- Nothing about a declaration is deleted: the application may not even try.
GRANT SELECT, INSERT, UPDATE ON tenant, declaration, declaration_body, filing, message, message_body,
    notice, notice_digest, event, reference, idempotency, search_key, agency_number, agency_state, task TO singlewindow_app;
