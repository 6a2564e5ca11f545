-- Rows consumed later than 60 s after their creation: the operators' own measure of how bad an hour was. Nobody waits at a machine
-- for a minute.
SELECT COUNT(*) AS consumed,
       COALESCE(SUM(TIMESTAMPDIFF(SECOND, create_time, last_consume_time) > 60), 0) AS later_than_60s,
       COALESCE(MAX(TIMESTAMPDIFF(SECOND, create_time, last_consume_time)), 0) AS latest_s
FROM (SELECT create_time, last_consume_time FROM pay_queue WHERE consume_status = 2
      UNION ALL
      SELECT create_time, last_consume_time FROM pay_queue_bak WHERE consume_status = 2) AS ended;
