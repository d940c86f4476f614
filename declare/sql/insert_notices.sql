-- Keeps notices as they came. A copy of an earlier one only raises the count.
-- Gives the ids that were new.
WITH first AS (
    INSERT INTO notice_digest AS d (agency, digest, notice_id, received_at)
    SELECT agency, digest, id, at FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bytea[]) AS n (id, at, agency, digest)
        ON CONFLICT (agency, digest) DO UPDATE SET copies = d.copies + 1
    RETURNING notice_id
)
INSERT INTO notice (id, received_at, agency, source, state, digest, body)
SELECT n.id, n.at, n.agency, 'notice', 'new', n.digest, n.body
  FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bytea[], $5::bytea[]) AS n (id, at, agency, digest, body)
 WHERE n.id IN (SELECT notice_id FROM first)
RETURNING id
