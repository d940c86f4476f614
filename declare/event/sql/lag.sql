-- For how many milliseconds the oldest event that is written down cannot be
-- told yet, because a transaction that began before it is still open.
SELECT coalesce((extract(epoch FROM now() - min(at)) * 1000)::bigint, 0) FROM event WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())
