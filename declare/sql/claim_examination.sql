-- One process at a time examines: it claims the time until $3.
INSERT INTO examination AS e (examiner, begun_at, next_at) VALUES ($1, $2, $3)
    ON CONFLICT (id) DO UPDATE SET examiner = excluded.examiner, begun_at = excluded.begun_at, next_at = excluded.next_at WHERE e.next_at <= excluded.begun_at
