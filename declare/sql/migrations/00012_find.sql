-- An enterprise's own list of declarations: the latest of one status, with
-- every other filter in the index, so that no other enterprise's rows and none
-- of the table are read to find them.

-- +goose Up

CREATE INDEX declaration_of_tenant ON declaration (tenant_id, status, received_at DESC, id DESC) INCLUDE (kind, port, agencies);
