-- Notices that nothing here answers become an officer's tasks, unless somebody
-- matches them in this moment.
INSERT INTO task (tenant_id, subject, kind, agency, why, opened_at)
SELECT '', n.id, 'unmatched', n.agency, 'unmatched', $3
  FROM unnest($1::text[], $2::timestamptz[]) AS k (id, received_at)
  JOIN notice n ON n.id = k.id AND n.received_at = k.received_at
 WHERE n.state = 'unmatched'
 ORDER BY n.id
   FOR SHARE OF n
    ON CONFLICT DO NOTHING
