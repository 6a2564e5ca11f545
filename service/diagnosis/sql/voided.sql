-- Void rows (status 4), and what was done about each: the state of its order and of its remedy order. One without a remedy order, whose
-- order is neither DISPENSED nor REFUNDED, is a buyer who paid and got nothing.
SELECT q.queue_id, q.order_id, q.channel, q.transaction_id, q.paid_fen, q.create_time, q.last_consume_time,
       o.state AS order_state, r.state AS remedy_state, r.remedy_count
FROM (SELECT queue_id, order_id, channel, transaction_id, paid_fen, create_time, last_consume_time FROM pay_queue WHERE status = 4
      UNION ALL
      SELECT queue_id, order_id, channel, transaction_id, paid_fen, create_time, last_consume_time FROM pay_queue_bak WHERE status = 4) AS q
LEFT JOIN orders o ON o.order_id = q.order_id
LEFT JOIN remedy_order r ON r.order_id = q.order_id
ORDER BY q.queue_id;
