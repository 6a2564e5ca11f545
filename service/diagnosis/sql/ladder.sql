-- Rows on the ladder, by how often they were tried: after attempts 1 to 8 the waits are 10 s, 1 min, 5 min, 15 min, 60 min, 2 h, 5 h
-- and 10 h. Many at one height failed together: look at what they had in common.
SELECT consume_count AS attempts, channel, COUNT(*) AS queue_rows, MIN(create_time) AS oldest, MAX(last_consume_time) AS last_tried
FROM pay_queue
WHERE consume_status != 2 AND consume_count > 0
GROUP BY consume_count, channel
ORDER BY consume_count, channel;
