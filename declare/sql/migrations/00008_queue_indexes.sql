-- A queue is read from its head: in the order messages came in, for the place
-- of one and the oldest of it, and in the order they are due, for a probe. What
-- gateways died at again and again is found by itself, and so are notices that
-- nothing here answers, whichever agency they are from, and tasks that are done.

-- +goose Up

CREATE INDEX message_in_line ON message (agency, created_at, id) WHERE delivery IN ('queued', 'unsure');
CREATE INDEX message_to_probe ON message (agency, delivery, next_at) WHERE delivery IN ('queued', 'unsure');
DROP INDEX message_unsure;
CREATE INDEX message_deaths ON message (agency, created_at) WHERE delivery IN ('queued', 'unsure') AND expiries >= 3;

CREATE INDEX task_closed ON task (opened_at) WHERE closed_at IS NOT NULL;

CREATE INDEX notice_unmatched ON notice (received_at, id) WHERE state = 'unmatched';
DROP INDEX notice_open;
