package mysqlstore

// schema is created at start by every process; all statements may run many times and at the same time.
//
// Ids are compared byte by byte (utf8mb4_bin). pay_queue keeps the documented columns as MySQL DATETIME, so that the
// operator's own diagnostic SQL runs on it; times of our own are Unix milliseconds. All times are UTC.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS machines (
		machine_id   VARCHAR(64) NOT NULL PRIMARY KEY,
		key_hex      VARCHAR(128) NOT NULL,
		last_command VARCHAR(64) NOT NULL DEFAULT '' -- the command that it was given last
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS slots (
		machine_id VARCHAR(64) NOT NULL,
		slot       INT NOT NULL,
		price_fen  BIGINT NOT NULL,
		stock      INT NOT NULL,
		PRIMARY KEY (machine_id, slot)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS orders (
		order_id       VARCHAR(32) NOT NULL PRIMARY KEY,
		request_id     VARCHAR(64) NOT NULL,
		machine_id     VARCHAR(64) NOT NULL,
		slot           INT NOT NULL,
		channel        VARCHAR(16) NOT NULL,
		buyer_id       VARCHAR(64) NOT NULL,
		amount_fen     BIGINT NOT NULL,
		paid_fen       BIGINT NOT NULL DEFAULT 0,
		state          VARCHAR(16) NOT NULL,
		transaction_id VARCHAR(64) NOT NULL DEFAULT '',
		pay_url        VARCHAR(512) NOT NULL DEFAULT '',
		pay_channels   VARCHAR(64) NOT NULL DEFAULT '',
		stock_held     TINYINT NOT NULL DEFAULT 1, -- 0 given back, 1 held, 2 fell although the money goes back
		created_ms     BIGINT NOT NULL,
		expires_ms     BIGINT NOT NULL,
		next_ms        BIGINT NOT NULL,
		paid_ms        BIGINT NOT NULL DEFAULT 0,
		done_ms        BIGINT NOT NULL DEFAULT 0,
		UNIQUE KEY orders_request (request_id),
		KEY orders_due (state, channel, next_ms)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	// dedupe_key is "channel:transaction_id". Its index is unique, but NULLs are many: with dedupe none it is written as
	// NULL, and the index holds nothing back.
	`CREATE TABLE IF NOT EXISTS pay_queue (
		queue_id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
		order_id          VARCHAR(32) NOT NULL,
		channel           VARCHAR(16) NOT NULL,
		transaction_id    VARCHAR(64) NOT NULL,
		notify_id         VARCHAR(64) NOT NULL,
		buyer_id          VARCHAR(128) NOT NULL,
		paid_fen          BIGINT NOT NULL,
		paid_ms           BIGINT NOT NULL,
		dedupe_key        VARCHAR(96) NULL,
		status            INT NOT NULL DEFAULT 0,
		consume_status    INT NOT NULL DEFAULT 0,
		consume_count     INT NOT NULL DEFAULT 0,
		create_time       DATETIME(3) NOT NULL,
		last_consume_time DATETIME(3) NULL,
		next_ms           BIGINT NOT NULL,
		UNIQUE KEY pay_queue_dedupe (dedupe_key),
		KEY pay_queue_due (consume_status, next_ms, create_time)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS pay_queue_bak (
		queue_id          BIGINT NOT NULL PRIMARY KEY,
		order_id          VARCHAR(32) NOT NULL,
		channel           VARCHAR(16) NOT NULL,
		transaction_id    VARCHAR(64) NOT NULL,
		notify_id         VARCHAR(64) NOT NULL,
		buyer_id          VARCHAR(128) NOT NULL,
		paid_fen          BIGINT NOT NULL,
		paid_ms           BIGINT NOT NULL,
		dedupe_key        VARCHAR(96) NULL,
		status            INT NOT NULL,
		consume_status    INT NOT NULL,
		consume_count     INT NOT NULL,
		create_time       DATETIME(3) NOT NULL,
		last_consume_time DATETIME(3) NULL,
		next_ms           BIGINT NOT NULL
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS commands (
		command_id VARCHAR(64) NOT NULL PRIMARY KEY,
		order_id   VARCHAR(32) NOT NULL,
		machine_id VARCHAR(64) NOT NULL,
		slot       INT NOT NULL,
		kind       VARCHAR(16) NOT NULL,
		state      VARCHAR(16) NOT NULL,
		queued_ms  BIGINT NOT NULL,
		pushed_ms  BIGINT NOT NULL,
		sent_ms    BIGINT NOT NULL DEFAULT 0,
		done_ms    BIGINT NOT NULL DEFAULT 0,
		KEY commands_machine (machine_id, state, queued_ms),
		KEY commands_pushed (state, pushed_ms),
		KEY commands_order (order_id)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS refunds (
		refund_no      VARCHAR(96) NOT NULL PRIMARY KEY,
		order_id       VARCHAR(32) NOT NULL,
		channel        VARCHAR(16) NOT NULL,
		transaction_id VARCHAR(64) NOT NULL,
		amount_fen     BIGINT NOT NULL,
		total_fen      BIGINT NOT NULL,
		state          VARCHAR(16) NOT NULL,
		reason         VARCHAR(32) NOT NULL,
		attempts       INT NOT NULL DEFAULT 0,
		next_ms        BIGINT NOT NULL,
		created_ms     BIGINT NOT NULL,
		done_ms        BIGINT NOT NULL DEFAULT 0,
		KEY refunds_due (state, channel, next_ms),
		KEY refunds_order (order_id)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS remedy_order (
		order_id         VARCHAR(32) NOT NULL,
		channel          VARCHAR(16) NOT NULL DEFAULT '',
		reason           VARCHAR(32) NOT NULL,
		remedy_count     INT NOT NULL DEFAULT 0,
		state            VARCHAR(16) NOT NULL,
		create_time      DATETIME(3) NOT NULL,
		last_remedy_time DATETIME(3) NULL,
		next_ms          BIGINT NOT NULL,
		PRIMARY KEY (order_id, channel),
		KEY remedy_order_due (state, channel, next_ms)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS further_ways (
		order_id VARCHAR(32) NOT NULL,
		channel  VARCHAR(16) NOT NULL,
		next_ms  BIGINT NOT NULL,
		PRIMARY KEY (order_id, channel),
		KEY further_ways_due (channel, next_ms)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS notify_refused (
		refused_id  BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
		channel     VARCHAR(16) NOT NULL,
		reason      VARCHAR(16) NOT NULL,
		order_id    VARCHAR(64) NOT NULL,
		detail      VARCHAR(256) NOT NULL,
		create_time DATETIME(3) NOT NULL
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS buyers (
		channel  VARCHAR(16) NOT NULL,
		buyer_id VARCHAR(128) NOT NULL,
		unionid  VARCHAR(128) NOT NULL,
		PRIMARY KEY (channel, buyer_id)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	// Amounts of bids are whole units; one unit is one yuan.
	`CREATE TABLE IF NOT EXISTS bids (
		bid_id      VARCHAR(64) NOT NULL PRIMARY KEY,
		borrower_id VARCHAR(64) NOT NULL,
		units       BIGINT NOT NULL,
		remaining   BIGINT NOT NULL,
		state       VARCHAR(16) NOT NULL,
		ledger_seq  BIGINT NOT NULL DEFAULT 0 -- how often units were taken or came back
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS bid_shares (
		request_id VARCHAR(64) NOT NULL PRIMARY KEY,
		bid_id     VARCHAR(64) NOT NULL,
		buyer_id   VARCHAR(64) NOT NULL,
		amount     BIGINT NOT NULL,
		state      VARCHAR(16) NOT NULL,
		held_ms    BIGINT NOT NULL, -- reserved: until when; else: when that ended
		taken_seq    BIGINT NOT NULL DEFAULT 0, -- places in the bid's ledger
		returned_seq BIGINT NOT NULL DEFAULT 0,
		KEY bid_shares_held (state, held_ms),
		KEY bid_shares_sum (bid_id, state, amount)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS bid_progress (
		bid_id  VARCHAR(64) NOT NULL PRIMARY KEY,
		sold    BIGINT NOT NULL,
		version BIGINT NOT NULL
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS bid_accounts (
		buyer_id VARCHAR(64) NOT NULL PRIMARY KEY,
		verified TINYINT NOT NULL,
		adult    TINYINT NOT NULL,
		agreed   TINYINT NOT NULL,
		frozen   TINYINT NOT NULL,
		least    BIGINT NOT NULL,
		most     BIGINT NOT NULL,
		balance  BIGINT NOT NULL
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
}
