-- Fills an empty ledger with seed.count declarations of the last 29 days, filed
-- to the agencies of seed.agencies: the first gets nearly all, the next ones
-- fewer and fewer, the last of them one in 200. Most are done, as in life; one
-- port of 40 sees a tenth of them, most see few, one only every 2,000th.
CREATE TEMPORARY TABLE seed ON COMMIT DROP AS
SELECT n, 'seed-' || n % 40 AS tenant_id, 'dec_' || stamp || upper(substr(md5('d' || n), 1, 16)) AS id, stamp, at,
       'SEED-' || n AS reference, die, port,
       CASE WHEN recent OR die < 0.08 THEN 'processing' WHEN die < 0.13 THEN 'actionNeeded' WHEN die < 0.16 THEN 'held' WHEN die < 0.66 THEN 'cleared'
            WHEN die < 0.94 THEN 'closed' WHEN die < 0.99 THEN 'rejected' ELSE 'cancelled' END AS status,
       ARRAY(SELECT agency FROM unnest(current_setting('seed.agencies')::text[]) WITH ORDINALITY AS a (agency, place)
              WHERE hashtext(n || agency) % 1000 >= CASE WHEN place = 1 THEN -950 WHEN place = cardinality(current_setting('seed.agencies')::text[]) THEN 990 ELSE -1000 + 600 * place END
              ORDER BY agency) AS agencies
  FROM (SELECT n, (hashtext('s' || n) & 1048575) / 1048576.0 AS die, n > current_setting('seed.count')::int * 0.995 AS recent,
               CASE WHEN n % 2000 = 7 THEN 'RARE01' ELSE 'PORT' || lpad((floor(40 * power((hashtext('p' || n) & 1048575) / 1048576.0, 2)))::text, 2, '0') END AS port
          FROM generate_series(1, current_setting('seed.count')::int) AS n) AS drawn
 CROSS JOIN LATERAL (SELECT now() - interval '29 days' * (1 - n::float8 / current_setting('seed.count')::int) AS at) AS received
 CROSS JOIN LATERAL (SELECT (extract(epoch FROM at) * 1000)::bigint AS ms) AS clock
 CROSS JOIN LATERAL (SELECT string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', ((ms >> (45 - 5 * place)) & 31)::int + 1, 1), '' ORDER BY place) AS stamp
                       FROM generate_series(0, 9) AS place) AS written;
UPDATE seed SET agencies = (current_setting('seed.agencies')::text[])[1:1] WHERE agencies = '{}';

INSERT INTO tenant (id, name, created_at) SELECT 'seed-' || n, 'Seeded enterprise ' || n, now() FROM generate_series(0, 39) AS n;

INSERT INTO declaration (tenant_id, id, kind, reference, status, waiting_who, waiting_agency, waiting_why, waiting_since, received_at, event_count, port, agencies, chapters)
SELECT tenant_id, id, 'goods', reference, status, who, CASE WHEN who IN ('agency', 'trader') THEN agencies[1] ELSE '' END,
       CASE status WHEN 'processing' THEN CASE who WHEN 'operator' THEN 'setAside' ELSE 'received' END WHEN 'actionNeeded' THEN 'documentsRequired' WHEN 'held' THEN 'inspection' ELSE status END,
       least(at + interval '2 days' * die, now()), at, 2, port, agencies, ARRAY[lpad((n % 97 + 1)::text, 2, '0')]
  FROM (SELECT *, CASE WHEN status IN ('actionNeeded', 'rejected') THEN 'trader' WHEN status = 'held' THEN 'agency'
                       WHEN status = 'processing' THEN CASE WHEN n % 100 = 0 THEN 'operator' ELSE 'agency' END ELSE 'nobody' END AS who FROM seed) AS moved
 ORDER BY n;

INSERT INTO reference (tenant_id, reference, declaration_id) SELECT tenant_id, reference, id FROM seed ORDER BY n;
INSERT INTO search_key (tenant_id, value, name, declaration_id)
SELECT tenant_id, CASE k WHEN 1 THEN 'BILL' || n / 3 WHEN 2 THEN 'CONT' || n ELSE 'VOYAGE' || n / 500 END, 'key' || k, id
  FROM seed CROSS JOIN generate_series(1, 3) AS k ORDER BY n;

INSERT INTO filing (tenant_id, declaration_id, agency, agency_version, decision, since, word, numbers)
SELECT tenant_id, id, agency, '2026.1',
       CASE status WHEN 'processing' THEN 'received' WHEN 'actionNeeded' THEN CASE WHEN agency = agencies[1] THEN 'documentsRequired' ELSE 'accepted' END
                   WHEN 'held' THEN CASE WHEN agency = agencies[1] THEN 'inspection' ELSE 'accepted' END WHEN 'cleared' THEN 'released' ELSE status END,
       least(at + interval '2 days' * die, now()), 'W', jsonb_build_object('entry', 'E' || n || agency)
  FROM seed CROSS JOIN unnest(agencies) AS agency ORDER BY n;

INSERT INTO message (tenant_id, id, declaration_id, agency, purpose, schema_digest, digest, created_at, delivery, attempts, first_sent_at, sent_at, next_at, settled_at, since)
SELECT tenant_id, 'msg_' || stamp || upper(substr(md5('m' || agency || n), 1, 16)), id, agency, 'original', 's', sha256(id::bytea), at, 'delivered', 1, at, at, at, at, at
  FROM seed CROSS JOIN unnest(agencies) AS agency ORDER BY n;

INSERT INTO event (tenant_id, declaration_id, number, id, type, at)
SELECT tenant_id, id, k, 'evt_' || stamp || upper(substr(md5('e' || k || n), 1, 16)),
       CASE k WHEN 1 THEN 'declaration.accepted' ELSE 'declaration.status' END, least(at + interval '1 hour' * k, now())
  FROM seed CROSS JOIN generate_series(1, 2) AS k ORDER BY n;

INSERT INTO agency_state (agency, since) SELECT unnest(current_setting('seed.agencies')::text[]), now() ON CONFLICT DO NOTHING;
