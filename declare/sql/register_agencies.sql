INSERT INTO agency_state (agency, since) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING
