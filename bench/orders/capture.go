package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
)

// A tap stands between the service and its database and hears every statement.
type tap struct {
	listener net.Listener
	database string // its address

	mu   sync.Mutex
	open map[net.Conn][]string // by connection: statements of a transaction that has not ended; guarded by mu
	done []string              // units heard, guarded by mu
}

func openTap(ctx context.Context, database string) (*tap, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tap{listener: l, database: database, open: map[net.Conn][]string{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			go t.carry(conn)
		}
	}()
	return t, nil
}

func (t *tap) close() { _ = t.listener.Close() }

// carry is one connection.
func (t *tap) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", t.database)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
	var head [4]byte
	for {
		if _, err := io.ReadFull(client, head[:]); err != nil {
			return
		}
		// A packet: three bytes of length, one of sequence; a command begins with sequence 0, COM_QUERY is 3.
		body := make([]byte, binary.LittleEndian.Uint32([]byte{head[0], head[1], head[2], 0}))
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		if head[3] == 0 && len(body) > 0 {
			t.hear(client, body)
		}
		if _, err := server.Write(append(head[:], body...)); err != nil {
			return
		}
	}
}

const (
	comQuery   = 3
	comPrepare = 22
	comExecute = 23
)

func (t *tap) hear(conn net.Conn, command []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var text string
	switch command[0] {
	case comQuery:
		text = string(command[1:])
	case comPrepare:
		text = "PREPARE " + string(command[1:])
	case comExecute:
		text = "EXECUTE"
	default:
		return
	}
	transaction, open := t.open[conn]
	switch {
	case text == "START TRANSACTION":
		t.open[conn] = []string{}
	case text == "COMMIT" || text == "ROLLBACK":
		delete(t.open, conn)
		t.done = append(t.done, strings.Join(append(transaction, text), "\n  "))
	case open:
		t.open[conn] = append(transaction, shape(text))
	case !strings.HasPrefix(text, "SET "):
		t.done = append(t.done, shape(text))
	}
}

// take returns what was heard since the last time.
func (t *tap) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	heard := t.done
	t.done = nil
	return heard
}

// A value is a literal of SQL as the driver writes it.
var value = regexp.MustCompile(`'(?:[^'\\]|\\.|'')*'|\bNULL\b|\b\d+(?:\.\d+)?\b`)

// shape is a statement without its values and its line breaks.
func shape(sql string) string {
	return strings.Join(strings.Fields(value.ReplaceAllString(sql, "?")), " ")
}

// shapes are units as a tap hears them.
func shapes(units ...unit) []string {
	var list []string
	for _, u := range units {
		if len(u) == 1 {
			list = append(list, shape(u[0].sql))
			continue
		}
		var text []string
		for _, s := range u {
			text = append(text, shape(s.sql))
		}
		list = append(list, strings.Join(append(text, "COMMIT"), "\n  "))
	}
	return list
}

// checkLife lets an order live at a service that is listened to, and compares what is heard with the list. That service
// has no jobs, which ask about other orders, and its machine and buyer are known to it from an order before.
func (t *town) checkLife(ctx context.Context) (err error) {
	cfg, err := mysql.ParseDSN(t.stack.DSN())
	if err != nil {
		return err
	}
	ear, err := openTap(ctx, cfg.Addr)
	if err != nil {
		return err
	}
	defer ear.close()
	cfg.Addr = ear.listener.Addr().String()
	c := t.config()
	c.MySQL.DSN = service.Secret(cfg.FormatDSN())
	c.Switches.Callback.Poll = time.Hour
	roles := slices.DeleteFunc(process.Roles(), func(role string) bool { return role == process.Jobs })
	if err := t.serve(ctx, "listened-to", c, roles); err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, t.running.Stop(stop))
		t.running = nil
	}()
	s, err := t.newStreet(ctx, 1)
	if err != nil {
		return err
	}
	defer s.close()
	wanted := shapes(slices.Concat(created, settled)...)
	// One order per channel makes its buyer known; then it is the turn of those that count.
	for i, label := range []string{"known", "heard"} {
		if i > 0 {
			ear.take()
		}
		if _, err := s.trade(ctx, round{orders: len(t.signers), label: label}); err != nil {
			return fmt.Errorf("an order that is listened to: %w", err)
		}
		if err := ear.quiet(ctx); err != nil {
			return err
		}
	}
	for range len(t.signers) - 1 {
		wanted = append(wanted, shapes(slices.Concat(created, settled)...)...)
	}
	return differ(ear.take(), wanted)
}

// quiet waits until nothing has been heard for a while: buyers are looked up beside the payment.
func (t *tap) quiet(ctx context.Context) error {
	for last := -1; ; {
		t.mu.Lock()
		n := len(t.done)
		t.mu.Unlock()
		if n == last {
			return nil
		}
		last = n
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// differ compares what was heard with what is listed. The order does not count: some run side by side.
func differ(heard, listed []string) error {
	count := map[string]int{}
	for _, u := range heard {
		count[u]++
	}
	for _, u := range listed {
		count[u]--
	}
	var problems []error
	for u, n := range count {
		switch {
		case n > 0:
			problems = append(problems, fmt.Errorf("the service sends, and life.go does not list (%d times): %s", n, u))
		case n < 0:
			problems = append(problems, fmt.Errorf("life.go lists, and the service does not send (%d times): %s", -n, u))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}
