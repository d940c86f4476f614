SELECT content FROM app_session WHERE token_hash = $1 AND expires_at > $2 AND NOT ended
