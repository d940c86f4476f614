-- No second process for what takes milliseconds: starting one takes longer.
SELECT set_config('max_parallel_workers_per_gather', '0', true)
