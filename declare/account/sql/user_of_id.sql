SELECT id, name, role, coalesce(agency, ''), coalesce(port, ''), epoch, created_at, disabled_at IS NOT NULL FROM app_user WHERE id = $1
