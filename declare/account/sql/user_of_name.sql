SELECT id, name, role, coalesce(agency, ''), coalesce(port, ''), epoch, created_at, disabled_at IS NOT NULL, password FROM app_user WHERE name = $1
