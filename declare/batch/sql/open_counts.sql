-- The batches that are not done: how many are being read and filed, with how
-- many rows, and how many declarations have no verdict yet.
SELECT count(*) FILTER (WHERE state = 'reading'), count(*) FILTER (WHERE state = 'filing'),
       coalesce(sum(rows), 0)::bigint, coalesce(sum(items - filed - rejected - valid), 0)::bigint
  FROM batch WHERE state IN ('reading', 'filing')
