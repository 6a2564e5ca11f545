package calibration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/simulator"
)

// An entry is a line of the target's book: one send as the target saw it, in nanoseconds since the run's start.
type entry struct {
	arrived  int64 // its first byte was read; 0: it never came
	planned  int64 // when it was to be answered
	answered int64 // the answer's first byte was about to be written; 0: it was not
	times    int   // how often it came
}

// A target answers orders as an exercise says, and books when. It speaks so much of the service's protocol as a run
// needs. Close must be called.
type target struct {
	exercise Exercise
	start    time.Time // of the run, with a monotonic reading

	server  *http.Server
	url     string
	sleeper sleeper
	ended   chan struct{}
	served  chan error
	serving sync.WaitGroup // requests

	mu   sync.Mutex
	over bool          // no request is taken any more; guarded by mu
	zero time.Duration // of the plan; 0 until it is known; guarded by mu
	free time.Duration // since the plan's zero; guarded by mu
	book []entry       // by order number; guarded by mu
	odd  int           // requests for orders that no plan has; guarded by mu
}

// newTarget listens on the loopback for so many orders.
func newTarget(e Exercise, orders int, start time.Time) (*target, error) {
	t := &target{exercise: e, start: start, book: make([]entry, orders), ended: make(chan struct{}), served: make(chan error, 1)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/orders", t.order)
	mux.HandleFunc("GET /v1/machines/{id}/commands", t.poll)
	mux.HandleFunc("POST /internal/machines", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the machines mean nothing here
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /internal/backlog", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"waiting":0}`) })
	mux.HandleFunc("GET /internal/book", t.tell)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	t.server = &http.Server{
		Handler: t.counted(mux), ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, stampedKey{}, c) },
	}
	t.url = "http://" + l.Addr().String()
	go func() { t.served <- t.server.Serve(stampedListener{l, start}) }()
	return t, nil
}

// counted keeps count of the requests in hand, so that none outlives the target.
func (t *target) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		if t.over {
			t.mu.Unlock()
			return
		}
		t.serving.Add(1)
		t.mu.Unlock()
		defer t.serving.Done()
		h.ServeHTTP(w, r)
	})
}

// close ends the polls and every connection, and returns when no request is in hand.
func (t *target) close() error {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	close(t.ended)
	err := t.server.Close()
	if served := <-t.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	t.serving.Wait()
	t.sleeper.close()
	return err
}

// begin tells the target the plan's zero, on the run's clock.
func (t *target) begin(zero time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.zero = zero
}

// order answers when the exercise says so.
func (t *target) order(w http.ResponseWriter, r *http.Request) {
	conn := r.Context().Value(stampedKey{}).(*stampedConn)
	arrived := conn.arrived()
	var in struct {
		RequestID string `json:"request_id"`
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	n, known := t.take(in.RequestID, arrived)
	if err != nil || !known {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	t.sleeper.sleep(r.Context(), t.plannedAt(n)-time.Since(t.start))
	if r.Context().Err() != nil {
		return // nobody waits any more
	}
	body := fmt.Sprintf(`{"order_id":"%019d","amount_fen":300,"state":"PAYING"}`, n+1)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusCreated)
	_, err = io.WriteString(w, body)
	if errors.Join(err, http.NewResponseController(w).Flush()) != nil {
		return
	}
	answered := conn.answered()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.book[n].answered = int64(answered)
}

// take books an arrival and plans its answer; false for an order that the plan does not have.
func (t *target) take(key string, arrived time.Duration) (n int, known bool) {
	number, isOrder := strings.CutPrefix(key, "o")
	n, err := strconv.Atoi(number)
	t.mu.Lock()
	defer t.mu.Unlock()
	if n--; err != nil || !isOrder || n < 0 || n >= len(t.book) {
		t.odd++
		return 0, false
	}
	b := &t.book[n]
	b.times++
	b.arrived = int64(arrived)
	b.planned = int64(t.zero + t.exercise.answerAt(n, arrived-t.zero, &t.free))
	return n, true
}

func (t *target) plannedAt(n int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Duration(t.book[n].planned)
}

// entries are the book so far, and how many requests it could not take.
func (t *target) entries() (book []entry, odd int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]entry{}, t.book...), t.odd
}

// poll is a machine's long poll: there is never a command.
func (t *target) poll(w http.ResponseWriter, r *http.Request) {
	wait, err := time.ParseDuration(r.FormValue("wait"))
	if err != nil {
		wait = time.Second
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-over.C:
	case <-t.ended:
	case <-r.Context().Done():
	}
	w.WriteHeader(http.StatusNoContent)
}

// tell is the book as the protocol has it: every order that came, unpaid.
func (t *target) tell(w http.ResponseWriter, _ *http.Request) {
	book, _ := t.entries()
	enc := json.NewEncoder(w)
	orders := 0
	for n, b := range book {
		if b.times > 0 {
			orders++
			_ = enc.Encode(map[string]any{
				"table": "order", "order_id": fmt.Sprintf("%019d", n+1), "request_id": fmt.Sprintf("o%06d", n+1),
				"amount_fen": 300, "state": "CLOSED",
			})
		}
	}
	_ = enc.Encode(map[string]any{"table": "end", "orders": orders}) // who does not get it says so
}

// target is where the simulator sends.
func (t *target) target() simulator.Target {
	return simulator.Target{Public: t.url, Internal: t.url}
}

// A stampedListener's connections say when a request's first byte came and when its answer's first byte went, since start.
type stampedListener struct {
	net.Listener
	start time.Time
}

func (l stampedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &stampedConn{Conn: c, socket: newSocket(c), start: l.start}, nil
}

type stampedKey struct{}

type stampedConn struct {
	net.Conn
	socket socket
	start  time.Time

	mu    sync.Mutex
	begun bool          // a request's first byte has come, and nothing of its answer has gone; guarded by mu
	came  time.Duration // guarded by mu
	went  time.Duration // guarded by mu
}

func (c *stampedConn) Read(b []byte) (int, error) {
	n, came, err := c.socket.read(c.Conn, b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && !c.begun {
		c.begun, c.came = true, came.Sub(c.start)
	}
	return n, err
}

func (c *stampedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.begun {
		c.begun, c.went = false, time.Since(c.start)
	}
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *stampedConn) arrived() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.came
}

func (c *stampedConn) answered() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.went
}
