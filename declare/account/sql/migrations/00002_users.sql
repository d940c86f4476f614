-- People who watch and decide, and where they are signed in. A password is
-- kept as its argon2id hash, a session under the SHA-256 of its token. Only
-- sessions and counts of attempts are ever deleted: nothing about a
-- declaration stands in them.

-- +goose Up

CREATE TABLE app_user (
    id         text PRIMARY KEY CHECK (id ~ '^usr_[0-9A-HJKMNP-TV-Z]{26}$'),
    name       text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{1,63}$'),
    role       text NOT NULL CHECK (role IN ('official', 'operator', 'auditor')),
    agency     text CHECK (agency ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    port       text CHECK (port ~ '^[A-Z0-9]{2,17}$'),
    password   text NOT NULL CHECK (password LIKE '$argon2id$%'),
    epoch      integer NOT NULL DEFAULT 1 CHECK (epoch > 0), -- sessions of an earlier one are over
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    CONSTRAINT official_of_one CHECK (num_nonnulls(agency, port) = CASE role WHEN 'official' THEN 1 ELSE 0 END)
);

-- Attempts to sign in that failed, by the keyed hash of the name typed,
-- whether somebody has it or not.
CREATE TABLE sign_in_attempt (
    name_hash bytea PRIMARY KEY CHECK (length(name_hash) = 32),
    attempts  integer NOT NULL CHECK (attempts > 0),
    last_at   timestamptz NOT NULL
);
CREATE INDEX sign_in_attempt_last ON sign_in_attempt (last_at);

-- A session that was ended stays, empty, until its time is over: a request
-- that was under way then must not bring it back.
CREATE TABLE app_session (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    content    bytea NOT NULL CHECK (length(content) <= 4096),
    expires_at timestamptz NOT NULL,
    ended      boolean NOT NULL DEFAULT false
);
CREATE INDEX app_session_expires ON app_session (expires_at);

ALTER TABLE app_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE app_user FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON app_user USING ((SELECT scope_system()));

ALTER TABLE sign_in_attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE sign_in_attempt FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON sign_in_attempt USING ((SELECT scope_system()));

ALTER TABLE app_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE app_session FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON app_session USING ((SELECT scope_system()));

GRANT SELECT, INSERT, UPDATE ON app_user TO singlewindow_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_attempt, app_session TO singlewindow_app;
