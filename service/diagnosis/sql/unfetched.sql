-- Commands that no machine has fetched, by machine: it is away, or its push was lost. With a queue of its own (redis.queue separate) and
-- command.push_again a machine that is there has none for long.
SELECT machine_id, COUNT(*) AS waiting, MIN(queued_ms) AS oldest_ms, MAX(pushed_ms) AS last_pushed_ms
FROM commands
WHERE state = 'QUEUED'
GROUP BY machine_id
ORDER BY oldest_ms;
