-- Looks at the next $5 unmatched notices of agencies $1 after ($2, $3) and
-- before $4: the message one names, or a number in it, may be known by now. An
-- empty declaration means that nothing here answers it; told, that an officer
-- was asked about it.
WITH looked AS (
    SELECT id, received_at, agency, message_id, numbers FROM notice
     WHERE state = 'unmatched' AND agency = ANY ($1::text[]) AND received_at >= $2::timestamptz AND (received_at, id) > ($2, $3::text) AND received_at < $4
     ORDER BY received_at, id LIMIT $5
)
SELECT n.id, n.received_at, n.agency, coalesce(m.tenant_id, a.tenant_id, ''), coalesce(m.declaration_id, a.declaration_id, ''),
       EXISTS (SELECT FROM task t WHERE t.tenant_id = '' AND t.subject = n.id AND t.kind = 'unmatched') AS told
  FROM looked n
  LEFT JOIN message m ON n.message_id <> '' AND m.id = n.message_id AND m.agency = n.agency
  LEFT JOIN LATERAL (
        SELECT owner.* FROM jsonb_each_text(n.numbers) AS number (name, value)
         CROSS JOIN LATERAL ( -- the limit makes it one look-up by the whole key for each number
                SELECT an.tenant_id, an.declaration_id FROM agency_number an
                 WHERE an.agency = n.agency AND an.name = number.name AND an.value = number.value LIMIT 1) owner
         ORDER BY number.name LIMIT 1) a ON m.id IS NULL
 ORDER BY n.received_at, n.id
