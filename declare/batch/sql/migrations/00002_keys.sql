-- The idempotency keys batches were handed in under: each stands for one file
-- with its options, for good.

-- +goose Up

CREATE TABLE batch_key (
    tenant_id   text NOT NULL,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
COMMENT ON COLUMN batch_key.fingerprint IS 'batch.fingerprint';

ALTER TABLE batch_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE batch_key FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON batch_key USING ((SELECT scope_system()) OR tenant_id = ANY ((SELECT scope_tenants())::text[]));

GRANT SELECT, INSERT ON batch_key TO singlewindow_app;
