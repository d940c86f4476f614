-- What agencies calculate, and the documents they ask for: of each notice, and
-- of each filing as its notices amount to.

-- +goose Up

ALTER TABLE notice
    ADD COLUMN opens     boolean NOT NULL DEFAULT false,
    ADD COLUMN duties    jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN documents jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN notice.opens IS 'counts only while nothing is decided';

ALTER TABLE filing
    ADD COLUMN duties    jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN documents jsonb NOT NULL DEFAULT '[]';
