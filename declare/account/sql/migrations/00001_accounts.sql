-- Who may ask. The table tenant is the ledger's; secrets are kept as keyed
-- hashes only, and nothing here is ever deleted: what no longer holds is
-- revoked or has expired.

-- +goose Up

CREATE TABLE api_key (
    tenant_id    text NOT NULL,
    id           text NOT NULL CHECK (id ~ '^key_[0-9A-HJKMNP-TV-Z]{26}$'),
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    hash         bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

-- An agency may hold several while it changes from one to the next.
CREATE TABLE agency_credential (
    agency     text NOT NULL CHECK (agency ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    hash       bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (agency, hash)
);

ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON api_key USING ((SELECT scope_system()) OR tenant_id = ANY ((SELECT scope_tenants())::text[]));

ALTER TABLE agency_credential ENABLE ROW LEVEL SECURITY;
ALTER TABLE agency_credential FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON agency_credential USING ((SELECT scope_system()) OR agency = (SELECT scope_agency()));

GRANT SELECT, INSERT, UPDATE ON api_key, agency_credential TO singlewindow_app;
