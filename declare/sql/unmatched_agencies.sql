SELECT DISTINCT agency FROM notice WHERE agency = ANY ($1::text[]) AND state = 'unmatched'
