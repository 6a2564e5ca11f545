package mysqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lunchrush/lunchrush/service"
)

// rowsPerInsert bounds a multi-row INSERT, so that it stays far below max_allowed_packet and locks shortly.
const rowsPerInsert = 500

// PutMachines writes machines and slots; what is there is overwritten.
func (s *Store) PutMachines(ctx context.Context, list []service.Machine) error {
	var machines, slots []any
	for _, m := range list {
		machines = append(machines, m.ID, m.KeyHex)
		for _, slot := range m.Slots {
			slots = append(slots, m.ID, slot.Slot, slot.PriceFen, slot.Stock)
		}
	}
	err := s.insertMany(ctx, `INSERT INTO machines (machine_id, key_hex) VALUES `, 2, machines,
		` ON DUPLICATE KEY UPDATE key_hex = VALUES(key_hex)`)
	if err != nil {
		return err
	}
	return s.insertMany(ctx, `INSERT INTO slots (machine_id, slot, price_fen, stock) VALUES `, 4, slots,
		` ON DUPLICATE KEY UPDATE price_fen = VALUES(price_fen), stock = VALUES(stock)`)
}

func (s *Store) insertMany(ctx context.Context, head string, columns int, args []any, tail string) error {
	row := "(" + placeholders(columns) + "),"
	for chunk := range slices.Chunk(args, rowsPerInsert*columns) {
		values := strings.TrimSuffix(strings.Repeat(row, len(chunk)/columns), ",")
		if _, err := s.exec(ctx, head+values+tail, chunk...); err != nil {
			return err
		}
	}
	return nil
}

// MachineKey is the key that a machine signs with.
func (s *Store) MachineKey(ctx context.Context, machineID string) ([]byte, error) {
	var text string
	err := s.db.QueryRowContext(ctx, `SELECT key_hex FROM machines WHERE machine_id = ?`, machineID).Scan(&text)
	if err != nil {
		return nil, notFound(err)
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("key of machine %s is not hex", machineID)
	}
	return key, nil
}

// HasMachine tells an unknown machine from an unknown slot.
func (s *Store) HasMachine(ctx context.Context, machineID string) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM machines WHERE machine_id = ?`, machineID).Scan(&n)
	return n > 0, err
}

// Slot is a slot's price and stock.
func (s *Store) Slot(ctx context.Context, machineID string, slot int) (service.Slot, error) {
	found := service.Slot{Slot: slot}
	err := s.db.QueryRowContext(ctx, `SELECT price_fen, stock FROM slots WHERE machine_id = ? AND slot = ?`, machineID, slot).
		Scan(&found.PriceFen, &found.Stock)
	return found, notFound(err)
}

// Slots are a machine's.
func (s *Store) Slots(ctx context.Context, machineID string) ([]service.Slot, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT slot, price_fen, stock FROM slots WHERE machine_id = ? ORDER BY slot`, machineID)
	return all(rows, err, func(r *sql.Rows) (slot service.Slot, err error) {
		err = r.Scan(&slot.Slot, &slot.PriceFen, &slot.Stock)
		return slot, err
	})
}

// SetPrice changes a slot's price.
func (s *Store) SetPrice(ctx context.Context, machineID string, slot int, fen int64) error {
	moved, err := s.moved(ctx, `UPDATE slots SET price_fen = ? WHERE machine_id = ? AND slot = ?`, fen, machineID, slot)
	if err != nil || moved {
		return err
	}
	_, err = s.Slot(ctx, machineID, slot) // it has that price already, or it is not there
	return err
}

// Bound is a buyer's unionid, "" when it is not known.
func (s *Store) Bound(ctx context.Context, channel service.Channel, buyerID string) (string, error) {
	var unionid string
	err := s.db.QueryRowContext(ctx, `SELECT unionid FROM buyers WHERE channel = ? AND buyer_id = ?`, channel, buyerID).Scan(&unionid)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return unionid, err
}

// Bind remembers a buyer's unionid.
func (s *Store) Bind(ctx context.Context, channel service.Channel, buyerID, unionid string) error {
	_, err := s.exec(ctx, `INSERT INTO buyers (channel, buyer_id, unionid) VALUES (?, ?, ?)
		ON DUPLICATE KEY UPDATE unionid = VALUES(unionid)`, channel, buyerID, unionid)
	return err
}

// Refuse writes down notifications that were not taken.
func (s *Store) Refuse(ctx context.Context, list []service.Refused) error {
	var args []any
	for _, r := range list {
		args = append(args, r.Channel, clip(r.Reason, 16), clip(r.OrderID, 64), clip(r.Detail, 256), r.At)
	}
	return s.insertMany(ctx, `INSERT INTO notify_refused (channel, reason, order_id, detail, create_time) VALUES `, 5, args, ``)
}

// clip bounds text to n characters of valid UTF-8.
func clip(text string, n int) string {
	runes := []rune(strings.ToValidUTF8(text, "?"))
	return string(runes[:min(n, len(runes))])
}
