INSERT INTO agency_folder (digest, agency, version, valid_from, loaded_at, archive) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
