package simulator

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/simulator/lrhmac"
)

// A shopfront is the service's side of the machines' protocol: it checks every signature, queues commands, and notes what
// it is told. A command is given out until a poll acknowledges it.
type shopfront struct {
	t *testing.T

	mu      sync.Mutex
	keys    map[string][]byte
	queue   map[string][]command
	bell    map[string]chan struct{} // closed when the machine's queue grows
	polling map[string]int           // long polls open now
	polls   int
	status  int // what polls are answered when it is not 0
	results []result
	refused int  // results to refuse first
	ill     bool // refuses heartbeats
	beats   map[string][]pulse
}

type result struct {
	machine string
	at      time.Time
	Command string `json:"command_id"`
	Order   string `json:"order_id"`
	Outcome string `json:"outcome"`
}

// newShopfront learns the machines from their sheets.
func newShopfront(t *testing.T, sheets [][]byte) *shopfront {
	t.Helper()
	s := &shopfront{
		t: t, keys: map[string][]byte{}, queue: map[string][]command{}, bell: map[string]chan struct{}{},
		polling: map[string]int{}, beats: map[string][]pulse{},
	}
	for _, raw := range sheets {
		var list []sheet
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			key, err := hex.DecodeString(m.KeyHex)
			if err != nil {
				t.Fatal(err)
			}
			s.keys[m.Machine], s.bell[m.Machine] = key, make(chan struct{})
		}
	}
	return s
}

func (s *shopfront) command(machine string, c command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue[machine] = append(s.queue[machine], c)
	close(s.bell[machine])
	s.bell[machine] = make(chan struct{})
}

func (s *shopfront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	keys := s.keys
	s.mu.Unlock()
	name, err := lrhmac.Verify(r.Header.Get("Authorization"), func(n string) ([]byte, bool) { k, ok := keys[n]; return k, ok },
		r.Method, r.RequestURI, body, time.Now())
	if err != nil {
		s.t.Errorf("%s %s: %v", r.Method, r.RequestURI, err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/machines/{id}/commands", func(w http.ResponseWriter, r *http.Request) { s.poll(name, w, r) })
	mux.HandleFunc("POST /v1/machines/{id}/results", func(w http.ResponseWriter, _ *http.Request) {
		res := result{machine: name, at: time.Now()}
		if err := json.Unmarshal(body, &res); err != nil {
			s.t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.results = append(s.results, res)
		if s.refused > 0 {
			s.refused--
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /v1/machines/{id}/heartbeats", func(w http.ResponseWriter, _ *http.Request) {
		var p pulse
		if err := json.Unmarshal(body, &p); err != nil {
			s.t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.beats[name] = append(s.beats[name], p)
		if s.ill {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.ServeHTTP(w, r)
}

func (s *shopfront) poll(name string, w http.ResponseWriter, r *http.Request) {
	wait, err := time.ParseDuration(r.FormValue("wait"))
	if err != nil {
		s.t.Errorf("wait: %v", err)
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls++
	s.polling[name]++
	defer func() { s.polling[name]-- }()
	if s.status != 0 {
		w.WriteHeader(s.status)
		return
	}
	for {
		if q := s.queue[name]; len(q) > 0 && q[0].ID == r.FormValue("last") {
			s.queue[name] = q[1:]
			continue
		}
		if q := s.queue[name]; len(q) > 0 {
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(q[0]); err != nil {
				s.t.Error(err)
			}
			return
		}
		bell := s.bell[name]
		s.mu.Unlock()
		select {
		case <-bell:
			s.mu.Lock()
		case <-over.C:
			s.mu.Lock()
			w.WriteHeader(http.StatusNoContent)
			return
		case <-r.Context().Done():
			s.mu.Lock()
			return
		}
	}
}

func (s *shopfront) told() []result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]result(nil), s.results...)
}

// open is how many machines have a long poll open.
func (s *shopfront) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, k := range s.polling {
		n += min(k, 1)
	}
	return n
}

// A street is a network without the kernel, so that its time can be virtual.
type street struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	down   bool // dials are refused
	mu     sync.Mutex
	dials  []time.Time
}

func newStreet() *street { return &street{conns: make(chan net.Conn), closed: make(chan struct{})} }

var errRefused = errors.New("connection refused")

func (s *street) dial(ctx context.Context, _ string) (net.Conn, error) {
	s.mu.Lock()
	s.dials = append(s.dials, time.Now())
	down := s.down
	s.mu.Unlock()
	if down {
		return nil, errRefused
	}
	here, there := net.Pipe()
	select {
	case s.conns <- there:
		return here, nil
	case <-s.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *street) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *street) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *street) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
