package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/simulator/lrhmac"
	"github.com/lunchrush/lunchrush/simulator/paysign"
)

// A round is so many orders of one side. Its label keeps their ids apart from other rounds'.
type round struct {
	orders int
	label  string
}

// A street is the buyers with their machines, and what they have bought.
type street struct {
	town    *town
	corner  []*corner
	signing time.Duration // CPU time of this process that went into signing, which is no part of the measurement
}

// A corner is a machine with the buyer before it, and their one line to the service.
type corner struct {
	*line
	machine string
	key     [sha256.Size]byte
	last    string // command that the machine was given last
}

const (
	slotStock = 1_000_000
	priceFen  = 350
)

// newStreet tells the service of the machines and opens their lines.
func (t *town) newStreet(ctx context.Context, buyers int) (*street, error) {
	s := &street{town: t}
	var sheet []service.Machine
	add := func(id string) [sha256.Size]byte {
		key := sha256.Sum256([]byte("bench machine " + id))
		sheet = append(sheet, service.Machine{ID: id, KeyHex: hex.EncodeToString(key[:]), Slots: []service.Slot{{Slot: 1, PriceFen: priceFen, Stock: slotStock}}})
		return key
	}
	for i := range buyers {
		l, err := dial(ctx, t.public())
		if err != nil {
			s.close()
			return nil, err
		}
		c := &corner{line: l, machine: fmt.Sprintf("m%05d", i)}
		c.key = add(c.machine)
		s.corner = append(s.corner, c)
		add(rawMachine(i))
	}
	body, err := json.Marshal(sheet)
	if err != nil {
		return nil, err
	}
	l, err := dial(ctx, t.internal())
	if err != nil {
		return nil, err
	}
	defer l.close()
	status, text, err := l.do("POST", "/internal/machines", nil, body)
	if err == nil && status != http.StatusNoContent {
		err = fmt.Errorf("answered %d %s", status, text)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("telling the service of the machines: %w", err)
	}
	return s, nil
}

func (s *street) close() {
	for _, c := range s.corner {
		c.close()
	}
}

// A bill is an order that was made, and its notification once that is signed.
type bill struct {
	signer paysign.Signer
	order  string
	txn    string
	header []byte
	body   []byte
}

// trade carries a round's orders through and tells how long the service took for them.
func (s *street) trade(ctx context.Context, r round) (time.Duration, error) {
	bills := make([]bill, r.orders)
	created, err := s.all(ctx, r.orders, func(c *corner, i int) error {
		bills[i].signer = s.town.signers[i%len(s.town.signers)]
		return c.create(&bills[i], fmt.Sprintf("%s-%06d", r.label, i))
	})
	if err != nil {
		return 0, err
	}
	before := ownCPU()
	if err := sign(ctx, bills); err != nil {
		return 0, err
	}
	s.signing += ownCPU() - before
	settled, err := s.all(ctx, r.orders, func(c *corner, i int) error { return c.settle(&bills[i]) })
	return created + settled, err
}

// all does the orders 0 to n, each corner one after the other: order i is done by corner i mod their number, both times.
func (s *street) all(ctx context.Context, n int, do func(c *corner, i int) error) (time.Duration, error) {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for place, c := range s.corner {
		group.Go(func() error {
			for i := place; i < n; i += len(s.corner) {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err := do(c, i); err != nil {
					return fmt.Errorf("order %d at %s: %w", i, c.machine, err)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(began), err
}

// sign signs all notifications, on as many cores as there are.
func sign(ctx context.Context, bills []bill) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range 4 {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < len(bills) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := bills[i].sign(); err != nil {
					return err
				}
			}
			return context.Cause(ctx)
		})
	}
	return group.Wait()
}

func (b *bill) sign() error {
	b.txn = "4200" + b.order
	now := time.Now()
	header, body, err := b.signer.Sign(paysign.Payment{
		OrderID: b.order, TransactionID: b.txn, BuyerID: buyerID, Fen: priceFen, PaidAt: now,
	}, "EV-"+b.order, now, now)
	if err != nil {
		return err
	}
	var text strings.Builder
	for name, values := range header {
		if !strings.EqualFold(name, "Host") && !strings.EqualFold(name, "Content-Length") {
			fmt.Fprintf(&text, "%s: %s\r\n", name, values[0])
		}
	}
	b.header, b.body = []byte(text.String()), body
	return nil
}

// buyerID is one for all: after the first payment at a channel the service knows who it is.
const buyerID = "oLR__________________o000001"

var jsonHeader = []byte("Content-Type: application/json\r\n")

func (c *corner) create(b *bill, request string) error {
	body := fmt.Appendf(nil, `{"request_id":%q,"machine_id":%q,"slot":1,"channel":%q,"buyer_id":%q}`, request, c.machine, b.signer.Channel(), buyerID)
	status, answer, err := c.do("POST", "/v1/orders", jsonHeader, body)
	if err != nil || status != http.StatusCreated {
		return badAnswer("creating", status, answer, err)
	}
	var made struct {
		OrderID string `json:"order_id"`
		State   string
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return err
	}
	if made.State != string(service.Paying) {
		return fmt.Errorf("created in state %s", made.State)
	}
	b.order = made.OrderID
	return nil
}

// settle is the rest of an order's life, from its notification on.
func (c *corner) settle(b *bill) error {
	status, answer, err := c.do("POST", "/notify/"+b.signer.Channel(), b.header, b.body)
	if err != nil || status != http.StatusOK {
		return badAnswer("notifying", status, answer, err)
	}
	uri := "/v1/machines/" + c.machine + "/commands?wait=25s&last=" + c.last
	if status, answer, err = c.do("GET", uri, c.signed("GET", uri, nil), nil); err != nil || status != http.StatusOK {
		return badAnswer("polling", status, answer, err)
	}
	var given struct {
		CommandID string `json:"command_id"`
		OrderID   string `json:"order_id"`
	}
	if err := json.Unmarshal(answer, &given); err != nil {
		return err
	}
	if given.OrderID != b.order {
		return fmt.Errorf("given a command of order %s, wanted %s", given.OrderID, b.order)
	}
	c.last = given.CommandID
	body := fmt.Appendf(nil, `{"command_id":%q,"order_id":%q,"outcome":"dispensed"}`, given.CommandID, given.OrderID)
	uri = "/v1/machines/" + c.machine + "/results"
	if status, answer, err = c.do("POST", uri, c.signed("POST", uri, body), body); err != nil || status != http.StatusOK {
		return badAnswer("reporting", status, answer, err)
	}
	if !strings.Contains(string(answer), `"DISPENSED"`) {
		return fmt.Errorf("the result was answered %s", answer)
	}
	return nil
}

func (c *corner) signed(method, uri string, body []byte) []byte {
	return []byte("Authorization: " + lrhmac.Sign(c.key[:], c.machine, method, uri, body, time.Now()) + "\r\n")
}

func badAnswer(what string, status int, answer []byte, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: answered %d %s", what, status, answer)
}
