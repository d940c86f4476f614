-- Copies a declaration, with one of its messages only, as often as asked. A
-- copy's ids end in its number, which also replaces the zeros of the reference.
-- What is not named stays as it is in the original, whatever columns there are.
CREATE FUNCTION pg_temp.numbered(original text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT left(original, -7) || lpad(n::text, 7, '0') $$;

CREATE FUNCTION pg_temp.multiply(owner text, declared text, sent text, copies integer) RETURNS void LANGUAGE plpgsql AS
$$
DECLARE
    at CONSTANT timestamptz := clock_timestamp();
    called CONSTANT text := (SELECT reference FROM declaration WHERE tenant_id = owner AND id = declared);
BEGIN
    CREATE TEMPORARY TABLE copy ON COMMIT DROP AS
    SELECT n, pg_temp.numbered(declared, n) AS declaration, pg_temp.numbered(sent, n) AS message, replace(called, '0000000', lpad(n::text, 7, '0')) AS reference
      FROM generate_series(1, copies) n;

    INSERT INTO idempotency
    SELECT new.* FROM copy, idempotency i
     CROSS JOIN LATERAL replace(replace(replace(convert_from(i.receipt, 'UTF8'), declared, declaration), sent, message), called, reference) AS renamed
     CROSS JOIN LATERAL jsonb_populate_record(i, jsonb_build_object('key', i.key || '-' || n, 'declaration_id', declaration, 'receipt', convert_to(renamed, 'UTF8'))) AS new
     WHERE i.tenant_id = owner AND i.declaration_id = declared;

    INSERT INTO reference
    SELECT owner, reference, declaration FROM copy;

    -- A generated column can be named in an INSERT by nobody.
    EXECUTE format('INSERT INTO declaration (%1$s) SELECT %1$s FROM (
        SELECT new.* FROM copy, declaration d
         CROSS JOIN LATERAL jsonb_populate_record(d, jsonb_build_object(''id'', declaration, ''reference'', copy.reference, ''event_count'', 1)) AS new
         WHERE d.tenant_id = $1 AND d.id = $2) copies',
        (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
          WHERE attrelid = 'declaration'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '')) USING owner, declared;

    INSERT INTO declaration_body
    SELECT new.* FROM copy, declaration_body b
     CROSS JOIN LATERAL convert_to(replace(convert_from(b.body, 'UTF8'), called, reference), 'UTF8') AS renamed
     CROSS JOIN LATERAL jsonb_populate_record(b, jsonb_build_object('declaration_id', declaration, 'body', renamed, 'digest', sha256(renamed))) AS new
     WHERE b.tenant_id = owner AND b.declaration_id = declared;

    INSERT INTO filing
    SELECT new.* FROM copy, message m, filing f
     CROSS JOIN LATERAL jsonb_populate_record(f, jsonb_build_object('declaration_id', declaration)) AS new
     WHERE m.tenant_id = owner AND m.id = sent AND f.tenant_id = owner AND f.declaration_id = declared AND f.agency = m.agency;

    INSERT INTO message_body
    SELECT new.* FROM copy, message_body b
     CROSS JOIN LATERAL convert_to(replace(replace(convert_from(b.body, 'UTF8'), sent, message), called, reference), 'UTF8') AS renamed
     CROSS JOIN LATERAL jsonb_populate_record(b, jsonb_build_object('message_id', message, 'body', renamed)) AS new
     WHERE b.tenant_id = owner AND b.message_id = sent;

    INSERT INTO message
    SELECT new.* FROM copy, message m, message_body b
     CROSS JOIN LATERAL jsonb_populate_record(m, jsonb_build_object('id', message, 'declaration_id', declaration, 'digest', sha256(b.body), 'delivery', 'queued',
           'epoch', 0, 'attempts', 0, 'denials', 0, 'first_sent_at', NULL, 'sent_at', NULL, 'lease_until', NULL, 'settled_at', NULL, 'reason', '',
           'since', m.created_at, 'next_at', at + n * interval '1 microsecond')) AS new
     WHERE m.tenant_id = owner AND m.id = sent AND b.tenant_id = owner AND b.message_id = message;

    INSERT INTO event OVERRIDING USER VALUE
    SELECT new.* FROM copy, event e
     CROSS JOIN LATERAL jsonb_populate_record(e, jsonb_build_object('id', pg_temp.numbered(e.id, n), 'declaration_id', declaration, 'xid', pg_current_xact_id()::text)) AS new
     WHERE e.tenant_id = owner AND e.declaration_id = declared AND e.number = 1;
END
$$;
