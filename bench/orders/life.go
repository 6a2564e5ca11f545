package main

import (
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// A statement is one that the service sends for an order.
type statement struct {
	sql  string // with ? for each argument
	rows bool   // it is a query
	args func(*rawOrder) []any
}

// A unit is a transaction: its statements between START TRANSACTION and COMMIT, or a single one by itself.
type unit []statement

// A rawOrder is what the arguments are made of.
type rawOrder struct {
	id, request, machine, channel, command string
	queue                                  int64 // set by the INSERT into pay_queue
	now                                    time.Time
}

func (o *rawOrder) ms() int64 { return o.now.UnixMilli() }

const (
	orderColumns = `order_id, request_id, machine_id, slot, channel, buyer_id, amount_fen, paid_fen, state, transaction_id, ` +
		`pay_url, pay_channels, created_ms, expires_ms, next_ms, paid_ms, done_ms`
	queueColumns = `queue_id, order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms, status, consume_status, ` +
		`consume_count, create_time, last_consume_time, next_ms`
	commandColumns = `command_id, order_id, machine_id, slot, kind, state, queued_ms, sent_ms`
)

// created is what the database sees of an order until it can be paid.
var created = []unit{
	{
		{
			sql:  `UPDATE slots SET stock = stock - 1 WHERE machine_id = ? AND slot = ? AND stock > 0 AND (price_fen = ? OR ?)`,
			args: func(o *rawOrder) []any { return []any{o.machine, 1, priceFen, false} },
		},
		{
			sql: `INSERT INTO orders (order_id, request_id, machine_id, slot, channel, buyer_id, amount_fen, state, ` +
				`pay_channels, created_ms, expires_ms, next_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			args: func(o *rawOrder) []any {
				return []any{
					o.id, o.request, o.machine, 1, o.channel, buyerID, priceFen, service.Created,
					o.channel, o.ms(), o.ms() + 300_000, o.ms() + 30_000,
				}
			},
		},
	},
	{{
		sql: `UPDATE orders SET state = ?, pay_url = ?, next_ms = ? WHERE order_id = ? AND state = ?`,
		args: func(o *rawOrder) []any {
			return []any{service.Paying, "weixin://wxpay/bizpayurl?pr=lunchrush", o.ms() + 30_000, o.id, service.Created}
		},
	}},
}

// settled is what it sees from the notification to the goods.
var settled = []unit{
	// The gate.
	{readOrder},
	{{
		sql: `SELECT unionid FROM buyers WHERE channel = ? AND buyer_id = ?`, rows: true,
		args: func(o *rawOrder) []any { return []any{o.channel, buyerID} },
	}},
	{{
		sql: `INSERT INTO pay_queue (order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms, dedupe_key, ` +
			`status, consume_status, consume_count, create_time, last_consume_time, next_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		args: func(o *rawOrder) []any {
			txn := "4200" + o.id
			return []any{
				o.id, o.channel, txn, "EV-" + o.id, buyerID, priceFen, o.ms(), o.channel + ":" + txn,
				service.RowNew, service.Waiting, 0, o.now, nil, o.ms(),
			}
		},
	}},
	// The consumer.
	{{
		sql: `UPDATE pay_queue SET consume_status = ?, consume_count = consume_count + 1, last_consume_time = ?, next_ms = ? ` +
			`WHERE queue_id = ? AND consume_count = ? AND consume_status <> ? AND next_ms <= ?`,
		args: func(o *rawOrder) []any {
			return []any{service.Claimed, o.now, o.ms() + 30_000, o.queue, 0, service.Consumed, o.ms()}
		},
	}},
	// The front.
	{{
		sql: `SELECT ` + queueColumns + ` FROM pay_queue WHERE queue_id = ?`, rows: true,
		args: func(o *rawOrder) []any { return []any{o.queue} },
	}},
	{readOrder},
	{
		{
			sql: `UPDATE orders SET state = ?, channel = ?, transaction_id = ?, paid_fen = ?, paid_ms = ?, next_ms = ? ` +
				`WHERE order_id = ? AND state IN (?, ?)`,
			args: func(o *rawOrder) []any {
				return []any{service.Dispensing, o.channel, "4200" + o.id, priceFen, o.ms(), o.ms() + 90_000, o.id, service.Created, service.Paying}
			},
		},
		{
			sql: `INSERT INTO commands (command_id, order_id, machine_id, slot, kind, state, queued_ms, pushed_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			args: func(o *rawOrder) []any {
				return []any{o.command, o.id, o.machine, 1, service.Dispense, service.Queued, o.ms(), o.ms()}
			},
		},
		{
			sql: `UPDATE pay_queue SET status = ?, consume_status = ?, last_consume_time = ? WHERE queue_id = ? AND consume_status <> ?`,
			args: func(o *rawOrder) []any {
				return []any{service.RowDone, service.Consumed, o.now, o.queue, service.Consumed}
			},
		},
	},
	// The notifier.
	{{
		sql: `UPDATE commands c JOIN machines m ON m.machine_id = c.machine_id SET c.state = ?, ` +
			`c.sent_ms = TIMESTAMPDIFF(MICROSECOND, TIMESTAMP?, UTC_TIMESTAMP(?)) DIV ?, m.last_command = c.command_id ` +
			`WHERE c.command_id = ? AND c.state = ?`,
		args: func(o *rawOrder) []any {
			return []any{service.Sent, "1970-01-01 00:00:00", 3, 1000, o.command, service.Queued}
		},
	}},
	{{
		sql: `SELECT ` + commandColumns + ` FROM commands WHERE command_id = ?`, rows: true,
		args: func(o *rawOrder) []any { return []any{o.command} },
	}},
	{
		{
			sql: `UPDATE orders SET state = ?, done_ms = ? WHERE order_id = ? AND state IN (?, ?)`,
			args: func(o *rawOrder) []any {
				return []any{service.Dispensed, o.ms(), o.id, service.Dispensing, service.Paid}
			},
		},
		{
			sql: `UPDATE commands SET state = ?, done_ms = ? WHERE command_id = ? AND state <> ?`,
			args: func(o *rawOrder) []any {
				return []any{service.CommandDispensed, o.ms(), o.command, service.CommandDispensed}
			},
		},
	},
}

var readOrder = statement{
	sql: `SELECT ` + orderColumns + ` FROM orders WHERE order_id = ?`, rows: true,
	args: func(o *rawOrder) []any { return []any{o.id} },
}
