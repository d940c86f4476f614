-- A plan for the filters at hand: those that are not set then cost nothing per
-- row. And no second process for what takes milliseconds: starting one takes longer.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('max_parallel_workers_per_gather', '0', true)
