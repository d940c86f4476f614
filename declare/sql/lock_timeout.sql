-- Until the transaction ends, rows that somebody else holds are waited for no longer than $1.
SELECT set_config('lock_timeout', $1, true)
