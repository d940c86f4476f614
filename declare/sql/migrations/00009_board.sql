-- What officials look at: of each declaration its port, the agencies it was
-- filed to and the chapters of its goods, written once, at intake; and who of
-- the officials may see it. An agency's official sees the declarations filed to
-- that agency, a port's those of that port, with all their filings and events:
-- badges are shared in a single window. Messages and notices are seen only by
-- the agency they are to or from, as before.

-- +goose Up

ALTER TABLE declaration
    ADD COLUMN port     text NOT NULL DEFAULT '',
    ADD COLUMN agencies text[] NOT NULL DEFAULT '{}',
    ADD COLUMN chapters text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN declaration.port IS 'the office the goods pass, as the kind''s facets.yaml says; empty where there is none';
COMMENT ON COLUMN declaration.agencies IS 'whom it was filed to: filing.agency of all its filings';
COMMENT ON COLUMN declaration.chapters IS 'HS chapters of its goods, two digits each, sorted';

-- Row-level security is forced, so the owner needs a scope as well.
SELECT set_config('app.scope', 'system', true);
UPDATE declaration d SET agencies = f.agencies
  FROM (SELECT tenant_id, declaration_id, array_agg(agency ORDER BY agency) AS agencies FROM filing GROUP BY tenant_id, declaration_id) f
 WHERE f.tenant_id = d.tenant_id AND f.declaration_id = d.id AND d.agencies = '{}';

CREATE FUNCTION scope_port() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN starts_with(current_setting('app.scope', true), 'port:')
          THEN substr(current_setting('app.scope', true), 6) END $$;
CREATE FUNCTION scope_official() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT starts_with(coalesce(current_setting('app.scope', true), ''), 'agency:')
       OR starts_with(coalesce(current_setting('app.scope', true), ''), 'port:') $$;
-- Whether the scope sees a declaration: row-level security of that table answers.
-- A function, so that the plans of statements that run in other scopes stay as
-- they are.
CREATE FUNCTION sees_declaration(tenant text, declaration text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT EXISTS (SELECT FROM declaration d WHERE d.tenant_id = $1 AND d.id = $2) $$;

-- Policies are asked in the order of their names: these after scope, which costs
-- nothing.
CREATE POLICY scope_of_official ON declaration FOR SELECT USING ((SELECT scope_agency()) = ANY (agencies) OR port = (SELECT scope_port()));
-- The names of enterprises stand in a public register.
CREATE POLICY scope_of_official ON tenant FOR SELECT USING ((SELECT scope_official()));

-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['filing', 'event', 'reference', 'search_key'] LOOP
        EXECUTE format('CREATE POLICY scope_of_official ON %I FOR SELECT USING ((SELECT scope_official()) AND sees_declaration(tenant_id, declaration_id))', name);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- The list and its counts are read from these indexes, without the rows: of all
-- declarations, every filter in the index; of one port; of one agency, whose
-- filings lead to its declarations in about the order they came in.
CREATE INDEX declaration_on_board ON declaration (status, received_at DESC, id DESC)
    INCLUDE (tenant_id, port, agencies, waiting_who, waiting_since);
CREATE INDEX declaration_of_port ON declaration (port, received_at DESC, id DESC) INCLUDE (tenant_id, agencies) WHERE port <> '';
CREATE INDEX filing_of_agency ON filing (agency, declaration_id DESC) INCLUDE (tenant_id);
-- Officials look for a number whoever's it is.
CREATE INDEX search_key_of_value ON search_key (value, tenant_id);
CREATE INDEX reference_of_anyone ON reference (reference, tenant_id);
