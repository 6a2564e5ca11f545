package simulator

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// A wire is the timeline's [http.RoundTripper]: HTTP/1.1 over keep-alive connections. The goroutine that sends writes the
// request and reads the answer itself, where http.Transport has two more goroutines for each connection; their wake-ups
// were a tenth of what a send costs.
//
// It dials nothing but loopback addresses: load goes nowhere else, whatever a URL says. It speaks no TLS, follows no
// redirect and repeats nothing. An answer's body is read before RoundTrip returns, [maxAnswer] bytes and one at most.
type wire struct {
	keep int // idle connections kept for each address

	mu   sync.Mutex
	idle map[string][]*wireConn // the one used last comes last; guarded by mu
}

// A wireConn is a connection with its buffers. One goroutine at a time has it.
type wireConn struct {
	net.Conn
	in     *bufio.Reader
	out    bytes.Buffer
	parked time.Time // when it was put away
}

const (
	wireDialTimeout = 5 * time.Second
	wireIdle        = 90 * time.Second // less than the two minutes after which the service hangs up
	wireBuffer      = 4 << 10
)

func newWire(keep int) *wire { return &wire{keep: keep, idle: map[string][]*wireConn{}} }

// RoundTrip sends one request. An error says nothing about whether it arrived.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	c, err := w.connect(ctx, req.URL.Host)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	// The end of the context ends whatever waits on the connection.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(longAgo) })
	resp, again, err := c.exchange(req)
	if stop() && again {
		w.park(req.URL.Host, c)
	} else {
		_ = c.Close() // what it still holds would be taken for the next answer
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return resp, err
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// exchange writes the request and reads the answer. Again says that the connection can carry another.
func (c *wireConn) exchange(req *http.Request) (resp *http.Response, again bool, err error) {
	c.out.Reset()
	if err := req.Write(&c.out); err != nil {
		return nil, false, err
	}
	if _, err := c.Write(c.out.Bytes()); err != nil {
		return nil, false, err
	}
	resp, err = http.ReadResponse(c.in, req)
	if err != nil {
		return nil, false, fmt.Errorf("reading the answer: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, false, fmt.Errorf("reading the answer: %w", err)
	}
	again = !resp.Close && len(body) <= maxAnswer && c.in.Buffered() == 0
	resp.Body = http.NoBody
	if len(body) > 0 {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp, again, nil
}

// connect takes an idle connection that still lives, or dials.
func (w *wire) connect(ctx context.Context, address string) (*wireConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for c := w.take(address); c != nil; c = w.take(address) {
		if time.Since(c.parked) < wireIdle && open(c.Conn) {
			return c, nil
		}
		_ = c.Close()
	}
	if err := loopbackAddress(address); err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: wireDialTimeout, KeepAlive: 30 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: conn, in: bufio.NewReaderSize(conn, wireBuffer)}, nil
}

// take gives the idle connection that was used last, nil when there is none.
func (w *wire) take(address string) *wireConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	idle := w.idle[address]
	if len(idle) == 0 {
		return nil
	}
	c := idle[len(idle)-1]
	idle[len(idle)-1] = nil
	w.idle[address] = idle[:len(idle)-1]
	return c
}

// park puts a connection away for the next request, or closes it when there are enough.
func (w *wire) park(address string, c *wireConn) {
	c.parked = time.Now()
	w.mu.Lock()
	full := len(w.idle[address]) >= w.keep
	if !full {
		w.idle[address] = append(w.idle[address], c)
	}
	w.mu.Unlock()
	if full {
		_ = c.Close()
	}
}

// CloseIdleConnections closes what no request is on.
func (w *wire) CloseIdleConnections() {
	w.mu.Lock()
	idle := w.idle
	w.idle = map[string][]*wireConn{}
	w.mu.Unlock()
	for _, conns := range idle {
		for _, c := range conns {
			_ = c.Close()
		}
	}
}
