package simulator

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A bookLine is one line of GET /internal/book, whatever table it is of.
type bookLine struct {
	Table         string `json:"table"`
	OrderID       string `json:"order_id"`
	RequestID     string `json:"request_id"`
	MachineID     string `json:"machine_id"`
	Slot          int    `json:"slot"`
	Channel       string `json:"channel"`
	AmountFen     int64  `json:"amount_fen"`
	PaidFen       int64  `json:"paid_fen"`
	State         string `json:"state"`
	TransactionID string `json:"transaction_id"`
	CreatedMS     int64  `json:"created_ms"`
	PaidMS        int64  `json:"paid_ms"`
	DoneMS        int64  `json:"done_ms"`

	Status        int   `json:"status"`
	ConsumeStatus int   `json:"consume_status"`
	ConsumeCount  int   `json:"consume_count"`
	CreateMS      int64 `json:"create_ms"`
	LastConsumeMS int64 `json:"last_consume_ms"`

	CommandID   string `json:"command_id"`
	Kind        string `json:"kind"`
	RefundNo    string `json:"refund_no"`
	Reason      string `json:"reason"`
	RemedyCount int    `json:"remedy_count"`
	Stock       int64  `json:"stock"`
	Key         string `json:"key"`
	ID          string `json:"id"`
	N           int    `json:"n"`
	Fen         int64  `json:"fen"`
	TakenSeq    int64  `json:"taken_seq"`
	ReturnedSeq int64  `json:"returned_seq"`
	Orders      int    `json:"orders"`

	BuyerID string `json:"buyer_id"`
	UnionID string `json:"unionid"`
	Buyers  *int   `json:"buyers"` // nil: the service does not tell of its buyers
}

// settled reports whether an order's state is final.
func (l *bookLine) settled() bool {
	return slices.Contains([]string{"DISPENSED", "REFUNDED", "CLOSED"}, l.State)
}

// record is the line as the books keep it; false for a table that this program does not know.
func (l *bookLine) record() (runlog.Record, bool) {
	switch l.Table {
	case "order":
		return runlog.Record{
			Event: runlog.ServiceOrder, Order: l.OrderID, Key: l.RequestID, Machine: l.MachineID, Slot: l.Slot,
			Channel: l.Channel, Fen: l.AmountFen, Paid: l.PaidFen, Txn: l.TransactionID, Note: l.State,
			CreatedMS: l.CreatedMS, PaidMS: l.PaidMS, DoneMS: l.DoneMS,
		}, true
	case "pay_queue":
		return runlog.Record{
			Event: runlog.ServiceQueue, Order: l.OrderID, Channel: l.Channel, Txn: l.TransactionID,
			Status: l.ConsumeStatus, N: l.ConsumeCount, Note: strconv.Itoa(l.Status), CreatedMS: l.CreateMS, DoneMS: l.LastConsumeMS,
		}, true
	case "command":
		return runlog.Record{
			Event: runlog.ServiceCommand, Order: l.OrderID, Machine: l.MachineID, Slot: l.Slot, ID: l.CommandID, Note: l.Kind + " " + l.State,
		}, true
	case "refund":
		return runlog.Record{
			Event: runlog.ServiceRefund, Order: l.OrderID, Channel: l.Channel, Txn: l.TransactionID, Fen: l.AmountFen, ID: l.RefundNo, Note: l.State,
		}, true
	case "remedy_order":
		return runlog.Record{Event: runlog.ServiceRemedy, Order: l.OrderID, N: l.RemedyCount, Note: l.Reason + " " + l.State}, true
	case "slot":
		return runlog.Record{Event: runlog.ServiceSlot, Machine: l.MachineID, Slot: l.Slot, Fen: l.Stock}, true
	case "buyer":
		key := openidKey(l.BuyerID)
		return runlog.Record{Event: runlog.ServiceBuyer, Key: key, Channel: l.Channel, ID: l.UnionID, OK: key != "" && l.UnionID == unionidOf(key)}, true
	case "call":
		return runlog.Record{
			Event: runlog.ServiceCall, Key: l.Key, Channel: l.Kind, ID: l.ID, N: l.N, Fen: l.Fen, Note: l.State,
			CreatedMS: l.CreatedMS, DoneMS: l.DoneMS, TakenSeq: l.TakenSeq, ReturnedSeq: l.ReturnedSeq,
		}, true
	case "end":
		return runlog.Record{Event: runlog.ServiceEnd, N: l.Orders, OK: l.Buyers != nil}, true
	}
	return runlog.Record{}, false
}

// readBook reads the service's own book line by line. The book is whole when its last line says how many orders it has,
// and it has them; and so for its buyers, if it tells of them.
func readBook(ctx context.Context, client *http.Client, internal string, each func(*bookLine)) (whole bool, err error) {
	resp, err := get(ctx, client, internal+"/internal/book")
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return parseBook(resp.Body, each)
}

func parseBook(r io.Reader, each func(*bookLine)) (whole bool, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	orders, buyers := 0, 0
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if whole {
			return false, fmt.Errorf("line %d: the book goes on after its end", n)
		}
		var l bookLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return false, fmt.Errorf("line %d: %w", n, err)
		}
		switch l.Table {
		case "order":
			orders++
		case "buyer":
			buyers++
		case "end":
			if l.Buyers != nil && *l.Buyers != buyers {
				return false, fmt.Errorf("line %d: the book has %d buyers and says %d", n, buyers, *l.Buyers)
			}
			if l.Orders != orders {
				return false, fmt.Errorf("line %d: the book has %d orders and says %d", n, orders, l.Orders)
			}
			whole = true
		}
		each(&l)
	}
	return whole, lines.Err()
}

// backlog is the answer of GET /internal/backlog.
type backlog struct {
	Waiting  int   `json:"waiting"`
	OldestMS int64 `json:"oldest_ms"`
	Pushes   int   `json:"pushes"`
	Uploads  int   `json:"uploads"`
}

func askBacklog(ctx context.Context, client *http.Client, internal string) (b backlog, err error) {
	resp, err := get(ctx, client, internal+"/internal/backlog")
	if err != nil {
		return b, err
	}
	defer resp.Body.Close()
	return b, json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&b)
}

// get returns a 200 answer, whose body must be closed.
func get(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("GET %s: %s", req.URL.Path, resp.Status)
	}
	return resp, nil
}
