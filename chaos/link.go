package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
)

// A Link is a TCP link between two parts that runs through a proxy of ours, so that it can be broken.
type Link struct {
	name  string
	ping  Ping
	proxy *toxiproxy.Proxy

	mu       sync.Mutex // guards what follows
	upstream string
	next     int // numbers toxics, so that overlapping faults do not meet in a name
	downs    int // faults that keep it down at present
}

// A Switchboard holds the links of one run. Close must be called; it ends every link, broken or whole.
type Switchboard struct {
	server *toxiproxy.ApiServer

	mu    sync.Mutex // guards links
	links map[string]*Link
}

// prepare tells Toxiproxy, once, about our toxic, and to be quiet: some toxics log each byte through zerolog's own logger,
// which nobody else here uses.
var prepare = sync.OnceFunc(func() {
	toxics.Register("lunchrush_hold", new(holdToxic))
	zerolog.SetGlobalLevel(zerolog.Disabled)
})

// NewSwitchboard makes an empty switchboard. Nothing listens yet.
func NewSwitchboard() *Switchboard {
	prepare()
	return &Switchboard{
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), // it logs a line per accept
		links:  make(map[string]*Link),
	}
}

// Open puts a proxy in front of upstream ("127.0.0.1:3306") and returns the link; [Link.Addr] is where to dial instead.
// Upstream must be loopback.
func (b *Switchboard) Open(name, upstream string, ping Ping) (*Link, error) {
	if err := requireLoopback(upstream); err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	return b.OpenAt("127.0.0.1:0", name, upstream, ping)
}

// OpenAt is Open for a link of somebody's own stack: it listens where it is told to, and upstream may be anywhere.
func (b *Switchboard) OpenAt(listen, name, upstream string, ping Ping) (*Link, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.links[name]; ok {
		return nil, fmt.Errorf("link %s: there is one already", name)
	}
	proxy := toxiproxy.NewProxy(b.server, name, listen, upstream)
	if err := b.server.Collection.Add(proxy, true); err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	l := &Link{name: name, upstream: upstream, ping: ping, proxy: proxy}
	b.links[name] = l
	return l, nil
}

func requireLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address", addr)
	}
	return nil
}

// Link finds an open link by name, nil if there is none.
func (b *Switchboard) Link(name string) *Link {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.links[name]
}

// Close ends every link and its connections.
func (b *Switchboard) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.server.Collection.Clear()
}

// Addr is where the link is dialled.
func (l *Link) Addr() string {
	l.proxy.Lock()
	defer l.proxy.Unlock()
	return l.proxy.Listen
}

// Upstream is where the link leads.
func (l *Link) Upstream() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.upstream
}

// Move lets the link lead to another address, at which a part is back after a restart. Its connections end; faults on it
// stay. Upstream must be loopback.
func (l *Link) Move(upstream string) error {
	if err := requireLoopback(upstream); err != nil {
		return fmt.Errorf("link %s: %w", l.name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if upstream == l.upstream {
		return nil
	}
	err := l.proxy.Update(&toxiproxy.Proxy{Listen: l.Addr(), Upstream: upstream, Enabled: l.downs == 0})
	if err != nil {
		return fmt.Errorf("moving link %s to %s: %w", l.name, upstream, err)
	}
	l.upstream = upstream
	return nil
}

// takeDown closes the listener and every connection until each caller has called what it got.
func (l *Link) takeDown() (up func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.downs++
	if l.downs == 1 {
		l.proxy.Stop()
	}
	return func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.downs--
		if l.downs > 0 {
			return nil
		}
		return l.proxy.Start() // at the same address as before
	}
}

// Name is what scenarios call the link.
func (l *Link) Name() string { return l.name }

// Directions of a toxic: upstream is what the dialling side sends, downstream what it gets.
const (
	upstream   = "upstream"
	downstream = "downstream"
)

// addToxic puts a toxic on every connection of the link, present and to come, and returns what takes it off again.
func (l *Link) addToxic(kind, direction string, attributes any) (remove func(context.Context) error, err error) {
	l.mu.Lock()
	l.next++
	name := fmt.Sprintf("%s_%s_%d", kind, direction, l.next)
	l.mu.Unlock()
	text, err := json.Marshal(map[string]any{
		"name": name, "type": kind, "stream": direction, "toxicity": 1.0, "attributes": attributes,
	})
	if err != nil {
		return nil, err
	}
	added, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("adding the %s toxic to %s: %w", kind, l.name, err)
	}
	return func(ctx context.Context) error {
		if held, ok := added.Toxic.(*holdToxic); ok {
			held.end()
		}
		if err := l.proxy.Toxics.RemoveToxic(ctx, name); err != nil {
			return fmt.Errorf("taking the %s toxic off %s: %w", kind, l.name, err)
		}
		return nil
	}, nil
}

// addBoth puts a toxic on both directions.
func (l *Link) addBoth(kind string, attributes any) (func(context.Context) error, error) {
	up, err := l.addToxic(kind, upstream, attributes)
	if err != nil {
		return nil, err
	}
	down, err := l.addToxic(kind, downstream, attributes)
	if err != nil {
		return nil, errors.Join(err, up(context.Background()))
	}
	return func(ctx context.Context) error { return errors.Join(up(ctx), down(ctx)) }, nil
}
