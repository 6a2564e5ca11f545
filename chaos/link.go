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

// A Ping makes one smallest exchange with the part that listens at addr and returns when its answer is in.
type Ping func(ctx context.Context, addr string) error

// A Link is a TCP link between two parts that runs through a proxy of ours, so that it can be broken.
type Link struct {
	name     string
	upstream string
	ping     Ping
	proxy    *toxiproxy.Proxy

	mu   sync.Mutex // guards next
	next int        // numbers toxics, so that overlapping faults do not meet in a name
}

// A Switchboard holds the links of one run. Close must be called; it ends every link, broken or whole.
type Switchboard struct {
	server *toxiproxy.ApiServer

	mu    sync.Mutex // guards links
	links map[string]*Link
}

var registerHold = sync.OnceFunc(func() { toxics.Register("lunchrush_hold", new(holdToxic)) })

// NewSwitchboard makes an empty switchboard. Nothing listens yet.
func NewSwitchboard() *Switchboard {
	registerHold()
	return &Switchboard{
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), // it logs a line per accept
		links:  make(map[string]*Link),
	}
}

// Open puts a proxy in front of upstream ("127.0.0.1:3306") and returns the link; [Link.Addr] is where to dial instead.
// Upstream must be loopback.
func (b *Switchboard) Open(name, upstream string, ping Ping) (*Link, error) {
	host, _, err := net.SplitHostPort(upstream)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("link %s: %s is not a loopback address", name, upstream)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.links[name]; ok {
		return nil, fmt.Errorf("link %s: there is one already", name)
	}
	proxy := toxiproxy.NewProxy(b.server, name, "127.0.0.1:0", upstream)
	if err := b.server.Collection.Add(proxy, true); err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	l := &Link{name: name, upstream: upstream, ping: ping, proxy: proxy}
	b.links[name] = l
	return l, nil
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
	if _, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("adding the %s toxic to %s: %w", kind, l.name, err)
	}
	return func(ctx context.Context) error {
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
