-- Orders whose machine reported that the goods fell, and whose money went back: "the refunded orders had all been dispensed". Of an order
-- that was paid twice one payment goes back by right; it is not listed.
SELECT c.order_id, c.machine_id, c.command_id, r.refund_no, r.amount_fen, r.reason
FROM commands c
JOIN refunds r ON r.order_id = c.order_id
WHERE c.kind = 'dispense' AND c.state = 'DISPENSED' AND r.state = 'DONE' AND r.reason != 'second-payment'
ORDER BY r.done_ms;
