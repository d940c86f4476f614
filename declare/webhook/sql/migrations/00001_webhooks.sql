-- Where enterprises want their events sent, and each event's delivery there.
-- Nothing here is ever deleted: what is over has a state that says so.

-- +goose Up

CREATE TABLE webhook_endpoint (
    tenant_id    text NOT NULL,
    id           text NOT NULL CHECK (id ~ '^whk_[0-9A-HJKMNP-TV-Z]{26}$'),
    url          text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    description  text NOT NULL DEFAULT '' CHECK (length(description) <= 200),
    event_types  text[] NOT NULL DEFAULT '{}',
    state        text NOT NULL CHECK (state IN ('on', 'paused', 'parked', 'gone', 'deleted')),
    since        timestamptz NOT NULL,
    cursor       text NOT NULL,
    created_at   timestamptz NOT NULL,
    delivered_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON COLUMN webhook_endpoint.event_types IS 'empty: all';
COMMENT ON COLUMN webhook_endpoint.state IS 'paused: by the enterprise; parked: nothing arrived for as long as the schedule goes; gone: it answered 410';
COMMENT ON COLUMN webhook_endpoint.cursor IS 'declare/event: every event up to here has its delivery, if it was wanted';
COMMENT ON COLUMN webhook_endpoint.delivered_at IS 'when a delivery last arrived';
CREATE INDEX webhook_endpoint_on ON webhook_endpoint (tenant_id, id) WHERE state = 'on';

CREATE TABLE webhook_secret (
    tenant_id   text NOT NULL,
    endpoint_id text NOT NULL,
    number      integer NOT NULL CHECK (number >= 1),
    sealed      bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz,
    PRIMARY KEY (tenant_id, endpoint_id, number)
);
COMMENT ON COLUMN webhook_secret.sealed IS 'AES-256-GCM under a key made from the gateway''s secret';

-- The row is the queue and the log. number orders the deliveries of one
-- declaration: only the first that is not over is pending, the others wait.
CREATE TABLE webhook_delivery (
    tenant_id      text NOT NULL,
    endpoint_id    text NOT NULL,
    event_id       text NOT NULL CHECK (event_id ~ '^evt_[0-9A-HJKMNP-TV-Z]{26}$'),
    declaration_id text NOT NULL,
    number         integer NOT NULL,
    type           text NOT NULL,
    event_at       timestamptz NOT NULL,
    body           bytea COMPRESSION lz4 NOT NULL,
    created_at     timestamptz NOT NULL,
    state          text NOT NULL CHECK (state IN ('waiting', 'pending', 'sending', 'delivered', 'parked')),
    epoch          bigint NOT NULL DEFAULT 0,
    attempts       integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_at        timestamptz NOT NULL,
    lease_until    timestamptz,
    first_at       timestamptz,
    tried_at       timestamptz,
    settled_at     timestamptz,
    status         integer NOT NULL DEFAULT 0,
    reason         text NOT NULL DEFAULT '',
    milliseconds   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, endpoint_id, event_id),
    CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
    CHECK ((state IN ('delivered', 'parked')) = (settled_at IS NOT NULL))
);
COMMENT ON COLUMN webhook_delivery.declaration_id IS 'of a test event: the event itself';
COMMENT ON COLUMN webhook_delivery.first_at IS 'the first attempt of this round';
COMMENT ON COLUMN webhook_delivery.status IS 'HTTP status of the last attempt; 0: there was no answer';
CREATE INDEX webhook_delivery_due ON webhook_delivery (tenant_id, endpoint_id, next_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_in_order ON webhook_delivery (tenant_id, endpoint_id, declaration_id, number) WHERE state IN ('waiting', 'pending', 'sending');
CREATE INDEX webhook_delivery_leased ON webhook_delivery (lease_until) WHERE state = 'sending';
CREATE INDEX webhook_delivery_log ON webhook_delivery (tenant_id, endpoint_id, event_at, event_id);
CREATE INDEX webhook_delivery_left ON webhook_delivery (tenant_id, endpoint_id, event_at, event_id) WHERE state <> 'delivered';

-- What was answered to requests that create, by their idempotency keys.
CREATE TABLE webhook_request (
    tenant_id text NOT NULL,
    key       text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    digest    bytea NOT NULL CHECK (length(digest) = 32),
    answer    bytea NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
COMMENT ON COLUMN webhook_request.answer IS 'sealed like secrets: it may hold one';

-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['webhook_endpoint', 'webhook_secret', 'webhook_delivery', 'webhook_request'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY scope ON %I USING ((SELECT scope_system()) OR tenant_id = ANY ((SELECT scope_tenants())::text[]))', name);
    END LOOP;
END
$$;
-- +goose StatementEnd

GRANT SELECT, INSERT, UPDATE ON webhook_endpoint, webhook_secret, webhook_delivery, webhook_request TO singlewindow_app;
