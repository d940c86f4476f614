-- Keeps notices as they came, with what they mean, and finds the declaration
-- each belongs to: by our message id, or by a number this same agency gave
-- before. A copy of an earlier notice only raises the count, and so does one
-- handed in again because the answer to its COMMIT was lost. Gives the new
-- ones; an empty declaration means that the notice waits for its match.
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::text[], $8::text[], $9::jsonb[],
                         $10::timestamptz[], $11::integer[], $12::integer[], $13::text[], $14::text[], $15::boolean[], $16::text[], $17::jsonb[],
                         $18::boolean[], $19::jsonb[], $20::jsonb[], $21::integer[])
        AS n (id, received_at, agency, source, digest, body, unreadable, message_id, numbers, issued_at, version, rank, word, decision, reopens, remark, errors,
              opens, duties, documents, copies)
), first AS (
    INSERT INTO notice_digest AS d (agency, digest, notice_id, received_at, copies)
    SELECT agency, digest, id, received_at, copies FROM given
        ON CONFLICT (agency, digest) DO UPDATE SET copies = d.copies + excluded.copies
    RETURNING notice_id, copies
), placed AS (
    SELECT n.*, coalesce(m.tenant_id, a.tenant_id, '') AS tenant_id, coalesce(m.declaration_id, a.declaration_id, '') AS declaration_id
      FROM given n
      LEFT JOIN message m ON n.message_id <> '' AND m.id = n.message_id AND m.agency = n.agency
      LEFT JOIN LATERAL (
            SELECT owner.* FROM jsonb_each_text(n.numbers) AS number (name, value)
             CROSS JOIN LATERAL ( -- the limit makes it one look-up by the whole key for each number
                    SELECT an.tenant_id, an.declaration_id FROM agency_number an
                     WHERE an.agency = n.agency AND an.name = number.name AND an.value = number.value LIMIT 1) owner
             ORDER BY number.name LIMIT 1) a ON m.id IS NULL
     WHERE (n.id, n.copies) IN (SELECT notice_id, copies FROM first)
)
INSERT INTO notice (id, received_at, agency, source, state, digest, body, tenant_id, declaration_id, message_id,
                    numbers, issued_at, version, rank, word, decision, reopens, remark, errors,
                    opens, duties, documents)
SELECT id, received_at, agency, source,
       CASE WHEN unreadable <> '' THEN 'unreadable' WHEN declaration_id = '' THEN 'unmatched' ELSE 'applied' END,
       digest, body, tenant_id, declaration_id, message_id,
       numbers, issued_at, version, rank, word, decision, reopens, CASE WHEN unreadable <> '' THEN unreadable ELSE remark END, errors,
       opens, duties, documents
  FROM placed
RETURNING id, state, tenant_id, declaration_id
