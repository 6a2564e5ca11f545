package simulator

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator/lrhmac"
)

const (
	// defaultPoll is the long poll's wait when the scenario does not say.
	defaultPoll = 25 * time.Second

	// pollApart spreads the machines' first polls: 10,000 machines are all there after five seconds.
	pollApart = 500 * time.Microsecond

	// beatTick is how often heartbeats are put on the timeline, and beatAhead how long before they are due.
	beatTick  = 100 * time.Millisecond
	beatAhead = 2 * beatTick

	// resultTries bounds the sends of one result. After them the heartbeats still tell the outcome.
	resultTries   = 8
	resultTimeout = 10 * time.Second

	// maxSheetBytes bounds one body of POST /internal/machines, which may have 8 MiB.
	maxSheetBytes = 4 << 20
)

// A fleet is all machines in the street. Each has one connection and one goroutine for its long poll, and no more: ten
// thousand of them are to fit beside the service on one machine.
type fleet struct {
	st       *stage
	machines []*machine
	byName   map[string]*machine
	wait     time.Duration // of a long poll
	waitText string

	desk   pollTarget    // where results and heartbeats go; set by begin
	polls  pollTarget    // where it polls; set by begin
	dial   dialer        // replaced by tests
	chance func() uint64 // for jitter, which is not part of the plan: it hangs on failures; safe for concurrent use
	cancel context.CancelFunc
	wg     sync.WaitGroup
	beats  beats
}

type dialer func(ctx context.Context, address string) (net.Conn, error)

// A machine is a device and its line to the service.
type machine struct {
	device
	fleet *fleet
	key   [sha256.Size]byte
	place int // within the fleet

	line  sync.Mutex // guards what follows
	conn  net.Conn   // of the long poll; nil when there is none
	until time.Duration
}

var _ machineFleet = (*fleet)(nil)

func newFleet(st *stage) machineFleet { return makeFleet(st) }

func makeFleet(st *stage) *fleet {
	f := &fleet{st: st, wait: st.scenario.Fleet.Poll, byName: make(map[string]*machine), dial: dialLoopback, chance: rand.Uint64}
	if f.wait <= 0 {
		f.wait = defaultPoll
	}
	f.waitText = waitText(f.wait)
	h := st.plan.Header
	stock := int32(st.scenario.Fleet.Stock)
	for i := range h.Machines {
		name := machineName(i)
		if h.Shards > 1 && shardOf(name, h.Shards) != h.Shard {
			continue
		}
		m := &machine{fleet: f, key: machineKey(h.Seed, name), place: len(f.machines)}
		m.device = device{name: name, st: st, tell: m.result, stock: make([]int32, h.Slots)}
		for k := range m.stock {
			m.stock[k] = stock
		}
		f.machines = append(f.machines, m)
		f.byName[name] = m
	}
	return f
}

// machineKey is a machine's own key. It hangs on the seed, so that a plan that is played again meets the same fleet.
func machineKey(seed uint64, name string) [sha256.Size]byte {
	return sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("machine key\x00"+name+"\x00"), seed))
}

// A sheet is what the service is told of one machine.
type sheet struct {
	Machine string      `json:"machine_id"`
	KeyHex  string      `json:"key_hex"`
	Slots   []sheetSlot `json:"slots"`
}

type sheetSlot struct {
	Slot  int   `json:"slot"`
	Fen   int64 `json:"price_fen"`
	Stock int32 `json:"stock"`
}

// sheets tells the service of every machine, and books the stock that it is told.
func (f *fleet) sheets() [][]byte {
	var (
		bodies [][]byte
		body   []byte
		price  = newStream(f.st.plan.Header.Seed, "price")
		span   = f.st.scenario.Fleet.PriceFen
	)
	for _, m := range f.machines {
		s := sheet{Machine: m.name, KeyHex: hex.EncodeToString(m.key[:]), Slots: make([]sheetSlot, len(m.stock))}
		for k, pieces := range m.stock {
			fen := span[0]
			if span[1] > span[0] {
				fen += int64(price.below(int(span[1] - span[0] + 1)))
			}
			s.Slots[k] = sheetSlot{Slot: k + 1, Fen: max(1, fen), Stock: pieces}
			f.st.prices.set(m.name, k+1, max(1, fen), 0)
			f.st.book(runlog.Record{Event: runlog.Stock, Machine: m.name, Slot: k + 1, Fen: int64(pieces)})
		}
		one, err := json.Marshal(s)
		if err != nil { // strings and numbers
			panic(err)
		}
		if len(body)+len(one) > maxSheetBytes {
			bodies = append(bodies, append(body, ']'))
			body = nil
		}
		if body == nil {
			body = append(body, '[')
		} else {
			body = append(body, ',')
		}
		body = append(body, one...)
	}
	if body != nil {
		bodies = append(bodies, append(body, ']'))
	}
	return bodies
}

func (f *fleet) begin(ctx context.Context, publicURL, pollsURL string) {
	desk, deskErr := loopbackTarget(publicURL)
	polls, pollsErr := loopbackTarget(pollsURL)
	if err := errors.Join(deskErr, pollsErr); err != nil {
		f.st.logger.Error("the fleet stays at home", "err", err)
		return
	}
	f.desk, f.polls = desk, polls
	ctx, f.cancel = context.WithCancel(ctx)
	f.wg.Add(len(f.machines) + 1)
	go func() {
		defer f.wg.Done()
		<-ctx.Done()
		for _, m := range f.machines {
			m.hangUp()
		}
	}()
	first := newStream(f.st.plan.Header.Seed, "first poll")
	spread := int(min(f.wait, time.Duration(len(f.machines))*pollApart)) + 1
	for _, m := range f.machines {
		pause := time.Duration(first.below(spread))
		go func() {
			defer f.wg.Done()
			m.poll(ctx, pause)
		}()
	}
	f.beats.begin(ctx, f)
}

func (f *fleet) stop() {
	if f.cancel != nil {
		f.cancel()
	}
	f.wg.Wait()
}

func (f *fleet) offline(name string, pause time.Duration) {
	m := f.byName[name]
	if m == nil {
		return
	}
	until := f.st.now() + pause
	m.line.Lock()
	m.until = max(m.until, until)
	m.line.Unlock()
	m.hangUp()
}

func (f *fleet) idle() bool {
	return !slices.ContainsFunc(f.machines, func(m *machine) bool { return m.busy() })
}

// offlineUntil is the moment up to which the machine is not to be reached; it may have passed.
func (m *machine) offlineUntil() time.Duration {
	m.line.Lock()
	defer m.line.Unlock()
	return m.until
}

// hangUp breaks the long poll.
func (m *machine) hangUp() {
	m.line.Lock()
	defer m.line.Unlock()
	if m.conn != nil {
		m.conn.Close()
		m.conn = nil
	}
}

// result sends what became of a command, again and again until the service has it.
func (m *machine) result(id, order, outcome string) {
	body, err := json.Marshal(struct {
		Command string `json:"command_id"`
		Order   string `json:"order_id"`
		Outcome string `json:"outcome"`
		Detail  string `json:"detail"`
	}{id, order, outcome, ""})
	if err != nil { // strings only
		panic(err)
	}
	m.sendResult(runlog.Record{Order: order, Machine: m.name, ID: id, Note: outcome}, body, m.st.now(), 1)
}

func (m *machine) sendResult(record runlog.Record, body []byte, due time.Duration, try int) {
	// Without a line there is nothing to send on.
	due = max(due, m.offlineUntil())
	s := m.request(SendResult, "/results", body, due)
	s.Timeout = resultTimeout
	s.Intent = func(at time.Duration) {
		r := record
		r.At, r.Event, r.Due, r.N = int64(at), runlog.ResultIntent, int64(due), try
		m.st.book(r)
	}
	s.Done = func(a Answer) {
		r := record
		r.At, r.Event, r.Status, r.Took, r.N = int64(a.At), runlog.ResultAnswer, a.Status, int64(a.At-a.Sent), try
		r.OK = a.Status/100 == 2
		m.st.book(r)
		if !r.OK && try < resultTries {
			m.sendResult(record, body, a.At+m.fleet.backoff(try), try+1)
		}
	}
	_ = m.st.push(s) // over: the run's end found the result unsent, and the book says so
}

// request is a signed POST of the machine, due at a moment.
func (m *machine) request(kind, path string, body []byte, due time.Duration) Send {
	t := &m.fleet.desk
	uri := t.prefix + "/v1/machines/" + m.name + path
	return Send{
		Due: due, Kind: kind, Method: http.MethodPost, URL: t.base + uri, Body: body,
		Header: http.Header{
			"Content-Type":  {"application/json"},
			"Authorization": {lrhmac.Sign(m.key[:], m.name, http.MethodPost, uri, body, m.st.wall(due))},
		},
	}
}

// waitText is a duration as the poll's wait parameter has it.
func waitText(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}
