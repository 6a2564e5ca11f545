package servicetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
)

// A Town is a service with everything around it.
type Town struct {
	Public, Internal string // base URLs
	Config           *service.Config
	Cache, Queue     *Redis
	Channel          *Channel // both channels' merchant interface
	Signer           *AlipaySigner
	Logs             *Log

	tb   testing.TB
	stop func() error
}

// A Log keeps what a process logs.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is everything that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// apiKey is the LR-HMAC key of both channels.
const apiKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// NewConfig is a hardened configuration for a database, Redis, and channel of the test's own.
func NewConfig(tb testing.TB) (*service.Config, *Town) {
	tb.Helper()
	town := &Town{tb: tb, Cache: NewRedis(tb), Queue: NewRedis(tb), Channel: NewChannel(tb), Signer: NewAlipaySigner(tb), Logs: new(Log)}
	c := service.Default()
	c.MySQL.DSN = service.Secret(DSN(tb))
	c.Redis = service.Redis{Cache: town.Cache.Addr, Queue: town.Queue.Addr}
	c.Alipay = service.AlipayAccess{BaseURL: town.Channel.URL, APIKey: apiKey, AppID: AlipayAppID, PublicKey: town.Signer.PublicKey}
	c.Switches.Resolve.Mode = service.Off
	town.Config = c
	return c, town
}

// Start starts a service whose switches are set as given, pairs of key and value, and waits until it is ready.
func Start(tb testing.TB, switches ...string) *Town {
	tb.Helper()
	c, town := NewConfig(tb)
	for i := 0; i+1 < len(switches); i += 2 {
		if err := c.Set(switches[i], switches[i+1]); err != nil {
			tb.Fatal(err)
		}
	}
	town.Run(process.Roles()...)
	return town
}

// Sibling is another process of the same service: same database, Redis, channel and switches. Run starts it.
func (t *Town) Sibling() *Town {
	s := *t
	c := *t.Config
	s.Config, s.Logs, s.stop = &c, new(Log), nil
	return &s
}

// Run starts the service with roles and waits until it is ready. It ends with the test, or with Stop.
func (t *Town) Run(roles ...string) {
	t.tb.Helper()
	t.Listen(context.Background(), roles...)
	Eventually(t.tb, 20*time.Second, "service ready", func() bool {
		status, _ := t.Do("GET", t.Internal+"/readyz", nil)
		return status == 200 && t.migrated()
	})
}

// migrated reports whether the tables are there: a service with ready none says that it is ready before they are.
func (t *Town) migrated() bool {
	db, err := sql.Open("mysql", string(t.Config.MySQL.DSN))
	if err != nil {
		return false
	}
	defer db.Close()
	var any int
	return db.QueryRowContext(t.tb.Context(), "SELECT COUNT(*) FROM slots").Scan(&any) == nil
}

// Listen starts the service with roles and waits until it listens. It ends with ctx, with the test, or with Stop.
func (t *Town) Listen(ctx context.Context, roles ...string) {
	t.tb.Helper()
	ctx, cancel := context.WithCancel(ctx)
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := process.Serve(ctx, t.Config, roles, in, t.Logs)
		_ = in.CloseWithError(io.EOF)
		ended <- err
	}()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	t.stop = stop
	t.tb.Cleanup(func() {
		if err := stop(); err != nil {
			t.tb.Errorf("ending the service: %v", err)
		}
		if t.tb.Failed() {
			t.tb.Logf("service log:\n%s", t.Logs)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.tb.Fatalf("no listening line: %v\n%s", stop(), t.Logs) // not <-ended: the cleanup asks again
	}
	var listening struct{ Public, Internal string }
	if err := json.Unmarshal([]byte(line), &listening); err != nil {
		t.tb.Fatal(err)
	}
	t.Public, t.Internal = "http://"+listening.Public, "http://"+listening.Internal
}

// Restart starts another process on the same database and Redis; the one before must have been stopped.
func (t *Town) Restart() {
	t.tb.Helper()
	t.Run(process.Roles()...)
}

// Stop drains the service.
func (t *Town) Stop() error { return t.stop() }

// Do sends a request with a JSON body, nil for none, and returns status and body. A request that can not be sent is
// status 0.
func (t *Town) Do(method, url string, body any) (int, string) {
	t.tb.Helper()
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	r, err := http.NewRequestWithContext(t.tb.Context(), method, url, bytes.NewReader(text))
	if err != nil {
		t.tb.Fatal(err)
	}
	return send(r)
}

// client keeps more connections than the default's two, so that a benchmark does not measure dialing.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: 10 * time.Second}}

func send(r *http.Request) (int, string) {
	answer, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

// Order is what the service says of an order.
type Order struct {
	OrderID   string `json:"order_id"`
	RequestID string `json:"request_id"`
	AmountFen int64  `json:"amount_fen"`
	State     string `json:"state"`
	PayURL    string `json:"pay_url"`
	ExpiresMS int64  `json:"expires_ms"`
}

// Buy makes an order for slot 1 of a machine, and fails the test if that fails.
func (t *Town) Buy(requestID, machineID string) Order {
	t.tb.Helper()
	var o Order
	status, body := t.Do("POST", t.Public+"/v1/orders", map[string]any{
		"request_id": requestID, "machine_id": machineID, "slot": 1, "channel": "alipay", "buyer_id": "b1",
	})
	if err := json.Unmarshal([]byte(body), &o); err != nil || status != 201 {
		t.tb.Fatalf("order: %d %s", status, body)
	}
	return o
}

// TryBuy is Buy for a service that may be in trouble: ok tells whether there is an order that can be paid.
func (t *Town) TryBuy(requestID, machineID string) (o Order, ok bool) {
	t.tb.Helper()
	status, body := t.Do("POST", t.Public+"/v1/orders", map[string]any{
		"request_id": requestID, "machine_id": machineID, "slot": 1, "channel": "alipay", "buyer_id": "b1",
	})
	err := json.Unmarshal([]byte(body), &o)
	return o, err == nil && status == 201
}

// Order reads an order.
func (t *Town) Order(orderID string) Order {
	t.tb.Helper()
	var o Order
	status, body := t.Do("GET", t.Public+"/v1/orders/"+orderID, nil)
	if err := json.Unmarshal([]byte(body), &o); err != nil || status != 200 {
		t.tb.Fatalf("order: %d %s", status, body)
	}
	return o
}

// AwaitState waits until the order is in state.
func (t *Town) AwaitState(orderID, state string, limit time.Duration) {
	t.tb.Helper()
	var last string
	if within(limit, func() error {
		if last = t.Order(orderID).State; last == state {
			return nil
		}
		return fmt.Errorf("it is %s", last)
	}) != nil {
		t.tb.Fatalf("order %s is %s, not %s, after %s", orderID, last, state, limit)
	}
}

// Notify sends a payment notification for a trade and returns the answer.
func (t *Town) Notify(trade Trade, extra map[string]string) (int, string) {
	t.tb.Helper()
	return t.NotifyForm(t.Signer.Notification(t.tb, trade, extra))
}

// NotifyForm sends a form to /notify/alipay.
func (t *Town) NotifyForm(form string) (int, string) {
	t.tb.Helper()
	r, err := http.NewRequestWithContext(t.tb.Context(), "POST", t.Public+"/notify/alipay", strings.NewReader(form))
	if err != nil {
		t.tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return send(r)
}

// PayAndNotify pays an order and tells the service.
func (t *Town) PayAndNotify(o Order) Trade {
	t.tb.Helper()
	trade := t.Channel.Pay(o.OrderID, "t-"+o.OrderID, o.AmountFen)
	if status, body := t.Notify(trade, nil); status != 200 || body != "success" {
		t.tb.Fatalf("notify: %d %s", status, body)
	}
	return trade
}

// Book is the service's own book, by table.
func (t *Town) Book() map[string][]map[string]any {
	t.tb.Helper()
	status, text := t.Do("GET", t.Internal+"/internal/book", nil)
	if status != 200 {
		t.tb.Fatalf("book: %d", status)
	}
	book := make(map[string][]map[string]any)
	for line := range strings.Lines(text) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.tb.Fatalf("book line %q: %v", line, err)
		}
		table, _ := row["table"].(string)
		book[table] = append(book[table], row)
	}
	if len(book["end"]) != 1 {
		t.tb.Fatal("book without its end")
	}
	return book
}

// Count runs a query that yields one number.
func (t *Town) Count(query string) (n int) {
	t.tb.Helper()
	db, err := sql.Open("mysql", string(t.Config.MySQL.DSN))
	if err != nil {
		t.tb.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.tb.Context(), query).Scan(&n); err != nil {
		t.tb.Fatal(err)
	}
	return n
}

// Exec changes the tables behind the service's back.
func (t *Town) Exec(statement string) {
	t.tb.Helper()
	db, err := sql.Open("mysql", string(t.Config.MySQL.DSN))
	if err != nil {
		t.tb.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.tb.Context(), statement); err != nil {
		t.tb.Fatal(err)
	}
}

// Metric reads a metric without labels; -1 when it is not there.
func (t *Town) Metric(name string) float64 {
	t.tb.Helper()
	_, text := t.Do("GET", t.Internal+"/metrics", nil)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.tb.Fatal(err)
			}
			return value
		}
	}
	return -1
}

// Stock is what is left in slot 1 of a machine.
func (t *Town) Stock(machineID string) int {
	t.tb.Helper()
	for _, row := range t.Book()["slot"] {
		if row["machine_id"] == machineID {
			return int(row["stock"].(float64)) //nolint:forcetypeassert // JSON's number
		}
	}
	t.tb.Fatalf("no machine %s", machineID)
	return 0
}

// A Machine is a vending machine. It remembers its last command, and starts none twice.
type Machine struct {
	ID  string
	key []byte
	t   *Town

	mu    sync.Mutex
	last  string
	drops []string // order ids; guarded by mu
}

// AddMachine puts a machine with one slot of stock pieces at 350 fen into the street.
func (t *Town) AddMachine(id string, stock int) *Machine {
	t.tb.Helper()
	key := sha256.Sum256([]byte(id))
	status, body := t.Do("POST", t.Internal+"/internal/machines", []service.Machine{{
		ID: id, KeyHex: hex.EncodeToString(key[:]), Slots: []service.Slot{{Slot: 1, PriceFen: 350, Stock: stock}},
	}})
	if status != 204 {
		t.tb.Fatalf("machines: %d %s", status, body)
	}
	return &Machine{ID: id, key: key[:], t: t}
}

// Request signs and sends a request as the machine.
func (m *Machine) Request(ctx context.Context, method, target string, body []byte) (int, string) {
	r, err := http.NewRequestWithContext(ctx, method, m.t.Public+target, bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	sum := sha256.Sum256(body)
	ms := fmt.Sprint(time.Now().UnixMilli())
	mac := hmac.New(sha256.New, m.key)
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s", ms, method, target, hex.EncodeToString(sum[:]))
	r.Header.Set("Authorization", "LR-HMAC "+m.ID+":"+ms+":"+hex.EncodeToString(mac.Sum(nil)))
	return send(r)
}

// A Command is what a machine is told.
type Command struct {
	CommandID string `json:"command_id"`
	OrderID   string `json:"order_id"`
	Kind      string `json:"kind"`
	Slot      int    `json:"slot"`
	TTLMS     int64  `json:"ttl_ms"`
	WaitedMS  int64  `json:"waited_ms"`
}

// Poll asks for a command and waits at most for wait.
func (m *Machine) Poll(ctx context.Context, wait time.Duration) (Command, bool) {
	m.mu.Lock()
	last := m.last
	m.mu.Unlock()
	status, body := m.Request(ctx, "GET", "/v1/machines/"+m.ID+"/commands?wait="+wait.String()+"&last="+last, nil)
	var c Command
	if status != 200 || json.Unmarshal([]byte(body), &c) != nil {
		return Command{}, false
	}
	return c, true
}

// Report tells the result of a command.
func (m *Machine) Report(c Command, outcome string) (int, string) {
	body, _ := json.Marshal(map[string]string{"command_id": c.CommandID, "order_id": c.OrderID, "outcome": outcome})
	return m.Request(context.Background(), "POST", "/v1/machines/"+m.ID+"/results", body)
}

// Drop lets the goods of a command fall, unless it was the last one already. It reports whether they fell.
func (m *Machine) Drop(c Command) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == c.CommandID {
		return false
	}
	m.last = c.CommandID
	m.drops = append(m.drops, c.OrderID)
	return true
}

// Drops counts what fell for an order.
func (m *Machine) Drops(orderID string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, id := range m.drops {
		if id == orderID {
			n++
		}
	}
	return n
}

// Work polls, drops and reports until the test ends.
func (m *Machine) Work() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	m.t.tb.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			c, found := m.Poll(ctx, 2*time.Second)
			switch {
			case !found:
			case c.Kind == service.Cancel && m.Drops(c.OrderID) > 0: // too late: what happened
				m.Report(c, "dispensed")
			case c.Kind == service.Cancel:
				m.Report(c, "cancelled")
			default:
				m.Drop(c)
				m.Report(c, "dispensed")
			}
		}
	}()
}
