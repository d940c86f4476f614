INSERT INTO app_user (id, name, role, agency, port, password, created_at)
VALUES ($1, $2, $3, nullif($4, ''), nullif($5, ''), $6, $7) ON CONFLICT (name) DO NOTHING
