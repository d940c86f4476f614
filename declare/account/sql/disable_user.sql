UPDATE app_user SET disabled_at = coalesce(disabled_at, $2) WHERE name = $1
