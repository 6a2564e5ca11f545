-- The backlog: payments that were acknowledged to their channel and are not handled yet (consume_status is not 2). The account saw
-- 13,000 at the peak, about 2,000 a server. More each minute: the consumers are slower than the payments; see ladder and late.
SELECT COUNT(*) AS waiting,
       MIN(create_time) AS oldest,
       COALESCE(MAX(TIMESTAMPDIFF(SECOND, create_time, UTC_TIMESTAMP())), 0) AS oldest_age_s
FROM pay_queue
WHERE consume_status != 2;
