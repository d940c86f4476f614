-- What was looked for under codes $1 and not seen at $2 is gone.
UPDATE finding SET gone_at = $2 WHERE code = ANY ($1::text[]) AND gone_at IS NULL AND seen_at < $2
