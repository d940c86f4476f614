-- Keeps a notice as it came. A copy of an earlier one only raises the count.
WITH first AS (
    INSERT INTO notice_digest AS d (agency, digest, notice_id, received_at) VALUES ($3, $5, $1, $2)
        ON CONFLICT (agency, digest) DO UPDATE SET copies = d.copies + 1
    RETURNING notice_id
)
INSERT INTO notice (id, received_at, agency, source, state, digest, body)
SELECT $1, $2, $3, $4, 'new', $5, $6 FROM first WHERE first.notice_id = $1
