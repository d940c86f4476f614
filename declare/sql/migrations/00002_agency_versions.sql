-- The version of an agency's folder that each message was made by, and the
-- folders themselves: a declaration keeps the mapping it was accepted under,
-- whatever the folder on disk becomes.

-- +goose Up

ALTER TABLE message ADD COLUMN folder_digest text NOT NULL DEFAULT '';
COMMENT ON COLUMN message.folder_digest IS 'agency_folder.digest; empty for messages made before folders were kept';

CREATE TABLE agency_folder (
    digest     text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    agency     text NOT NULL,
    version    text NOT NULL,
    valid_from date NOT NULL,
    loaded_at  timestamptz NOT NULL,
    archive    bytea NOT NULL
);
COMMENT ON COLUMN agency_folder.digest IS 'SHA-256 over the names and contents of the files, with schemas that were supplied from elsewhere';
COMMENT ON COLUMN agency_folder.archive IS 'the folder as a zip file, without schemas that were supplied from elsewhere';

ALTER TABLE agency_folder ENABLE ROW LEVEL SECURITY;
ALTER TABLE agency_folder FORCE ROW LEVEL SECURITY;
CREATE POLICY scope ON agency_folder USING ((SELECT scope_system()) OR agency = (SELECT scope_agency()));

-- A version that was loaded is never changed.
GRANT SELECT, INSERT ON agency_folder TO singlewindow_app;
