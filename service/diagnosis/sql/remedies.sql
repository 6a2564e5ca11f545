-- Remedy orders: payments that were lost on their way and are made good by asking the channel. OPEN with a high remedy_count: the
-- channel does not answer, or the order cannot be handled.
SELECT order_id, reason, state, remedy_count, create_time, last_remedy_time
FROM remedy_order
ORDER BY state DESC, create_time;
