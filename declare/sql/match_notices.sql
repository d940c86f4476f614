-- Gives every unmatched notice of agencies $1 another try: the message it
-- names, or a number in it, may be known by now. At most 1,000 at a time.
SELECT n.id, n.received_at, n.agency, coalesce(m.tenant_id, a.tenant_id), coalesce(m.declaration_id, a.declaration_id)
  FROM notice n
  LEFT JOIN message m ON n.message_id <> '' AND m.id = n.message_id AND m.agency = n.agency
  LEFT JOIN LATERAL (
        SELECT owner.* FROM jsonb_each_text(n.numbers) AS number (name, value)
         CROSS JOIN LATERAL ( -- the limit makes it one look-up by the whole key for each number
                SELECT an.tenant_id, an.declaration_id FROM agency_number an
                 WHERE an.agency = n.agency AND an.name = number.name AND an.value = number.value LIMIT 1) owner
         ORDER BY number.name LIMIT 1) a ON m.id IS NULL
 WHERE n.state = 'unmatched' AND n.agency = ANY ($1::text[])
   AND (m.id IS NOT NULL OR a.declaration_id IS NOT NULL)
 ORDER BY n.received_at, n.id LIMIT 1000
