-- The messages of a declaration are found by the declaration first: an index
-- that leads with the tenant invites a plan, made while the tables are young,
-- that looks for one message among all of its tenant's.

-- +goose Up

CREATE INDEX message_by_declaration ON message (declaration_id, tenant_id);
DROP INDEX message_of_declaration;
