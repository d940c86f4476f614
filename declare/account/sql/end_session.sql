UPDATE app_session SET ended = true, content = '' WHERE token_hash = $1
