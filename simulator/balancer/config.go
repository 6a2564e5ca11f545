package balancer

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"time"
)

// Config says what a [Balancer] is made of. Pools and Listeners are needed; every other zero has a meaning.
type Config struct {
	// Listeners are the doors, each with a name and a port of its own: "public", "wechat", "alipay".
	Listeners []Listener

	// Pools are the groups of backends behind them. Two listeners that name the same pool share its backends, its
	// connections and their bound: one channel's slowness is then the other's.
	Pools []Pool

	Check     Check     // active health checks of every backend that has a CheckURL
	Eject     Eject     // passive ejection; zero: off
	SlowStart SlowStart // zero: off

	// AnswerTimeout is how long a backend may take from the end of a request to the beginning of its answer; 0 means
	// [DefaultAnswerTimeout]. The longest long poll waits 60 s.
	AnswerTimeout time.Duration

	// ForwardAbandoned forwards what was held even when its client has given up meanwhile, as a proxy does that had taken
	// the request in before it got stuck (nginx: proxy_ignore_client_abort on). Otherwise such requests are dropped.
	ForwardAbandoned bool

	// NoRedial answers 502 to a request whose backend can not be dialled, as a balancer of the fourth layer resets its
	// connection: it has chosen before it knows anything of the request. Otherwise the next backend gets it.
	NoRedial bool

	// Files bounds the files that this process has open; 0 means what the system allows it. A request takes a connection
	// to a backend only when there is a file left for it after two for each client's connection, whose other end is
	// assumed to be in this process too.
	Files int

	Seed   uint64       // of the faults' chance; each listener has a stream of its own
	Logger *slog.Logger // nil discards
}

// A Listener is a door of the balancer on 127.0.0.1, with a port that the system chooses.
type Listener struct {
	Name string
	Pool string // name of its pool; "": the pool of the same name
}

// A Pool is a group of backends and the connections to them.
type Pool struct {
	Name     string
	Backends []Backend // more may come and go while the balancer runs
	// MaxConns bounds the connections to all backends together: further requests wait for one in the order of their
	// coming, as in a proxy with so many workers. 0: as many as there are files.
	MaxConns int
}

// A Backend is one instance of the service, or what passes for it.
type Backend struct {
	Name     string // within its pool
	URL      string // base URL with a loopback address: http://127.0.0.1:8080
	CheckURL string // full URL of its readiness, http://127.0.0.1:8081/readyz; "": never asked, always ready
	Weight   int    // share of the requests relative to the others of the pool; 0: none
}

// A Check is the active health check: GET of the CheckURL over a connection of its own, ready when the answer is 200.
// The zero value means HAProxy's defaults.
type Check struct {
	Interval time.Duration // from the end of one to the beginning of the next; 0: 2 s
	Timeout  time.Duration // 0: 2 s
	Rise     int           // passes in a row that bring a backend back; 0: 2. A newcomer is in after its first pass
	Fall     int           // failures in a row that take it out; 0: 3
}

// An Eject is passive ejection: a backend that leaves Failures requests in a row without an answer (refused, reset, timed
// out) gets none for a while. An answer of any status clears the count: a service that sheds load answers.
type Eject struct {
	Failures int           // 0: off
	For      time.Duration // 0: 10 s, nginx's fail_timeout
}

// A SlowStart lets a backend that has just come in have less than its weight at first; see [SlowStart.Weight].
type SlowStart struct {
	Window     time.Duration // length of the ramp; 0: off
	Aggression float64       // 1 is a straight line, above 1 rises earlier; 0: 1
	Min        float64       // least share of the weight, 0 to 1; 0: 0.1, Envoy's default
}

// DefaultAnswerTimeout is longer than any long poll of the protocol.
const DefaultAnswerTimeout = 75 * time.Second

// Weight is what a backend of this weight counts when it has been in for up:
//
//	weight x max(Min, (up/Window)^(1/Aggression))    while up < Window, then weight
//
// This is Envoy's formula (min_weight_percent, aggression, slow_start_window). Dubbo's warm-up, uptime/(warmup/weight) but
// at least 1, is the special case Aggression = 1, Min = 1/weight.
func (s SlowStart) Weight(weight float64, up time.Duration) float64 {
	if s.Window <= 0 || up >= s.Window {
		return weight
	}
	ramp := math.Pow(float64(max(up, 0))/float64(s.Window), 1/cmp.Or(s.Aggression, 1))
	return weight * max(cmp.Or(s.Min, 0.1), ramp)
}

func (c Check) filled() Check {
	return Check{
		Interval: cmp.Or(c.Interval, 2*time.Second), Timeout: cmp.Or(c.Timeout, 2*time.Second),
		Rise: cmp.Or(c.Rise, 2), Fall: cmp.Or(c.Fall, 3),
	}
}

func (e Eject) filled() Eject { return Eject{e.Failures, cmp.Or(e.For, 10*time.Second)} }

// validate finds everything that is wrong with c.
func (c *Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	pools := map[string]bool{}
	for _, p := range c.Pools {
		switch {
		case p.Name == "":
			bad("a pool has no name")
		case pools[p.Name]:
			bad("pool %s is there twice", p.Name)
		case p.MaxConns < 0:
			bad("pool %s: %d connections at most", p.Name, p.MaxConns)
		}
		pools[p.Name] = true
		names := map[string]bool{}
		for _, b := range p.Backends {
			if err := b.validate(); err != nil {
				bad("pool %s: %w", p.Name, err)
			}
			if names[b.Name] {
				bad("pool %s: backend %s is there twice", p.Name, b.Name)
			}
			names[b.Name] = true
		}
	}
	listeners := map[string]bool{}
	for _, l := range c.Listeners {
		switch {
		case l.Name == "":
			bad("a listener has no name")
		case listeners[l.Name]:
			bad("listener %s is there twice", l.Name)
		case !pools[l.pool()]:
			bad("listener %s: there is no pool %s", l.Name, l.pool())
		}
		listeners[l.Name] = true
	}
	if len(c.Listeners) == 0 {
		bad("there is no listener")
	}
	switch k, s := c.Check, c.SlowStart; {
	case k.Interval < 0 || k.Timeout < 0 || k.Rise < 0 || k.Fall < 0:
		bad("health check: nothing may be negative")
	case s.Window < 0 || s.Aggression < 0 || !(s.Min >= 0 && s.Min <= 1):
		bad("slow start: window and aggression must not be negative, and the least share must be 0 to 1")
	case c.Eject.Failures < 0 || c.Eject.For < 0 || c.AnswerTimeout < 0 || c.Files < 0:
		bad("ejection, answer time-out and files must not be negative")
	}
	return errors.Join(errs...)
}

func (l Listener) pool() string { return cmp.Or(l.Pool, l.Name) }

func (b Backend) validate() error {
	if b.Name == "" {
		return errors.New("a backend has no name")
	}
	if b.Weight < 0 {
		return fmt.Errorf("backend %s: weight %d", b.Name, b.Weight)
	}
	u, err := loopback(b.URL)
	if err == nil && u.Path != "" || err == nil && u.RawQuery != "" {
		err = fmt.Errorf("%q is not a base URL such as http://127.0.0.1:8080", b.URL)
	}
	if err == nil && b.CheckURL != "" {
		_, err = loopback(b.CheckURL)
	}
	if err != nil {
		return fmt.Errorf("backend %s: %w", b.Name, err)
	}
	return nil
}

// loopback parses an http URL whose host is a loopback address, in figures: a name could mean another machine.
func loopback(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" || u.User != nil:
		return nil, fmt.Errorf("%q is not an http URL such as http://127.0.0.1:8080", raw)
	case u.Port() == "":
		return nil, fmt.Errorf("%q has no port", raw)
	}
	return u, loopbackAddress(u.Host)
}

func loopbackAddress(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address: load is sent to 127.0.0.1 and [::1] only", address)
	}
	return nil
}
