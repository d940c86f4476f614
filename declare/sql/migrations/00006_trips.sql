-- How often in a row an agency failed again as soon as it was back: the more,
-- the longer it is left alone between two probes.

-- +goose Up

ALTER TABLE agency_state ADD COLUMN trips integer NOT NULL DEFAULT 0;
