-- How rows ended: status 5 (deleted) is the normal end, status 4 (void) is a payment that eight retries could not bring through; both
-- have consume_status 2. Status 0 is not ended.
SELECT status, consume_status, COUNT(*) AS queue_rows, MAX(consume_count) AS most_attempts
FROM (SELECT status, consume_status, consume_count FROM pay_queue
      UNION ALL
      SELECT status, consume_status, consume_count FROM pay_queue_bak) AS everything
GROUP BY status, consume_status
ORDER BY status, consume_status;
