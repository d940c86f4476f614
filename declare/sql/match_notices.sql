-- Finds the declaration of notices $1, and of every unmatched notice of
-- agencies $2: by our message id, or by a number this agency gave before.
SELECT n.id, n.received_at, coalesce(m.tenant_id, a.tenant_id), coalesce(m.declaration_id, a.declaration_id), coalesce(m.id, '')
  FROM notice n
  LEFT JOIN message m ON n.message_id <> '' AND m.id = n.message_id AND m.agency = n.agency
  LEFT JOIN LATERAL (
        SELECT an.tenant_id, an.declaration_id
          FROM jsonb_each_text(n.numbers) AS given (name, value)
          JOIN agency_number an ON an.agency = n.agency AND an.name = given.name AND an.value = given.value
         ORDER BY an.name LIMIT 1) a ON m.id IS NULL
 WHERE n.state = 'unmatched'
   AND (n.id = ANY ($1::text[]) OR n.agency = ANY ($2::text[]))
   AND (m.id IS NOT NULL OR a.declaration_id IS NOT NULL)
