-- Batches whose slice ended without a word, and that no job waits for.
UPDATE batch SET lease_until = $2
 WHERE (tenant_id, id) IN (
       SELECT b.tenant_id, b.id FROM batch b
        WHERE b.state IN ('reading', 'filing') AND b.lease_until < $1
          AND NOT EXISTS (SELECT FROM river.river_job j WHERE j.state = 'available' AND j.queue = 'batches' AND j.args ->> 'batch' = b.id)
        ORDER BY b.lease_until LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING tenant_id, id, turn
