DELETE FROM sign_in_attempt WHERE last_at <= $1
