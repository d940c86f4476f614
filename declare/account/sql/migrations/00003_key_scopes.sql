-- What a key may do, and the request that made it: asked for again, the same
-- key is told of, without its secret. Keys from before may do everything.

-- +goose Up

ALTER TABLE api_key
    ADD COLUMN scopes         text[],
    ADD COLUMN request_key    text CHECK (length(request_key) BETWEEN 1 AND 255),
    ADD COLUMN request_digest bytea CHECK (length(request_digest) = 32),
    ADD COLUMN replaces       text,
    ADD CONSTRAINT request_whole CHECK ((request_key IS NULL) = (request_digest IS NULL));
COMMENT ON COLUMN api_key.scopes IS 'NULL: everything a tenant may do, also what comes later';
COMMENT ON COLUMN api_key.replaces IS 'the key it was made to follow, which ends after a while';

CREATE UNIQUE INDEX api_key_of_request ON api_key (tenant_id, request_key) WHERE request_key IS NOT NULL;
CREATE INDEX api_key_of_name ON api_key (tenant_id, name, created_at);
