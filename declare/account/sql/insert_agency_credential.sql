INSERT INTO agency_credential (agency, hash, created_at) VALUES ($1, $2, $3)
