UPDATE app_user SET password = $2, epoch = epoch + 1 WHERE name = $1
