-- The officials' list, read so that its time depends on what is shown and not
-- on what is stored.

-- +goose Up

-- A filing is first asked whether it is at the official's own agency, which
-- costs nothing, and only then whether its declaration is seen, which is a
-- query: in what order PostgreSQL asks the policies of a table is not promised,
-- so that the one that costs says itself when it need not be asked.
ALTER POLICY scope_of_official ON filing
    USING ((SELECT scope_official()) AND (agency = (SELECT scope_agency()) OR sees_declaration(tenant_id, declaration_id)));

-- Declarations filed to exactly the same agencies are found together: such sets
-- are few, and what was filed to one agency is in the sets that have it. As text,
-- for under row-level security an index is searched with operators only that
-- PostgreSQL knows to tell nothing of rows not seen: those of text, not of arrays.
CREATE FUNCTION agency_set(agencies text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT array_to_string($1, ',') $$;
ALTER TABLE declaration ADD COLUMN agency_set text NOT NULL GENERATED ALWAYS AS (agency_set(agencies)) STORED;
COMMENT ON COLUMN declaration.agency_set IS 'agencies, with commas: the set to look for in an index';

-- Beside declaration_on_board, which has them all: the declarations of one port,
-- and of one set of agencies. They take the place of indexes that led to every
-- declaration of a port or an agency, one by one.
CREATE INDEX declaration_on_board_of_port ON declaration (port, status, received_at DESC, id DESC)
    INCLUDE (tenant_id, agencies, waiting_who, waiting_since) WHERE port <> '';
CREATE INDEX declaration_on_board_of_set ON declaration (agency_set, status, received_at DESC, id DESC)
    INCLUDE (tenant_id, port, agencies, waiting_who, waiting_since);
DROP INDEX declaration_of_port;
DROP INDEX filing_of_agency;
