-- Events are read in one order, that of (xid, position), by everybody: one
-- enterprise's by event_in_order, all of them by the index here.
--
-- An event's xid is that of its transaction or, when a later one had ended by
-- then, the latest of those. The events of one declaration are written under
-- its lock, one transaction after the other; but the one that writes second
-- may have begun first, and would otherwise stand before the one it waited
-- for. Every transaction up to xid has ended or is still under way, so that
-- whoever reads only below the oldest one under way still misses nothing.

-- +goose Up

ALTER TABLE event ALTER COLUMN xid SET DEFAULT
    greatest(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8);
COMMENT ON COLUMN event.xid IS 'no less than its own transaction, and than that of any earlier event of the declaration';

CREATE INDEX event_by_xid ON event (xid, position);
