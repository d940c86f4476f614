-- Whether this process is the one that folds, until its transaction ends. A lock
-- of its own, because one on a row would take a transaction id at once and hold
-- up whoever reads events in order.
SELECT pg_try_advisory_xact_lock(hashtext('singlewindow clearance'))
