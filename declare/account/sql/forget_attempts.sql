DELETE FROM sign_in_attempt WHERE name_hash = $1
