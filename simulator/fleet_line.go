package simulator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/simulator/lrhmac"
)

const (
	dialTimeout = 5 * time.Second

	// pollGrace is how much longer than the poll's wait an answer may take before the line counts as dead.
	pollGrace = 10 * time.Second

	// A line that fails is tried again after firstPause, twice as long after each further failure up to lastPause, each
	// time with a jitter of half, as a fleet must if it is not to come back all at once.
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second

	// tooSoon: an answer without a new command that comes sooner than this was no long poll; the next one waits, lest a
	// machine spins.
	tooSoon = 100 * time.Millisecond

	lineBytes = 4 << 10
)

// A pollTarget is where the service listens for machines.
type pollTarget struct {
	base    string // "http://127.0.0.1:41001"
	address string // "127.0.0.1:41001"
	prefix  string // path before /v1, without a slash at its end
}

// errOffline ends a poll of a machine that went offline while it dialled.
var errOffline = errors.New("offline")

// loopbackTarget takes a base URL apart and refuses one that leads elsewhere, before anything is dialled.
func loopbackTarget(base string) (pollTarget, error) {
	u, err := url.Parse(base)
	if err != nil {
		return pollTarget{}, fmt.Errorf("the service's address: %w", err)
	}
	if u.Scheme != "http" || u.Port() == "" {
		return pollTarget{}, fmt.Errorf("the service's address %q: want http://127.0.0.1:port", base)
	}
	if err := loopbackAddress(u.Host); err != nil {
		return pollTarget{}, fmt.Errorf("the service's address %q: %w", base, err)
	}
	return pollTarget{base: "http://" + u.Host, address: u.Host, prefix: strings.TrimRight(u.EscapedPath(), "/")}, nil
}

func dialLoopback(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	return d.DialContext(ctx, "tcp", address)
}

// backoff is the pause after the n-th failure in a row, from 1.
func (f *fleet) backoff(n int) time.Duration {
	pause := min(lastPause, firstPause<<min(n-1, 8))
	return pause/2 + time.Duration(f.chance()%uint64(pause))
}

// poll keeps the machine's long poll up until ctx ends.
func (m *machine) poll(ctx context.Context, pause time.Duration) {
	failures := 0
	for sleep(ctx, pause) {
		if rest := m.offlineUntil() - m.st.now(); rest > 0 {
			pause, failures = rest, 0
			continue
		}
		asked := m.st.now()
		c, err := m.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			m.hangUp()
			failures++
			pause = m.fleet.backoff(failures)
		case c != nil && m.receive(*c):
			failures, pause = 0, 0
		case m.st.now()-asked < min(tooSoon, m.fleet.wait/2):
			failures++
			pause = m.fleet.backoff(failures)
		default:
			failures, pause = 0, 0
		}
	}
}

// sleep reports whether ctx is still live after d.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ask makes one long poll. No command and no error: the wait was over.
func (m *machine) ask(ctx context.Context) (*command, error) {
	conn, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	asked := m.st.now() // before the service can have it
	if err := m.write(conn); err != nil {
		return nil, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(m.fleet.wait + pollGrace)); err != nil {
		return nil, err
	}
	// One byte is all that a waiting machine has in hand; the buffer comes with the answer.
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return nil, err
	}
	c, err := m.read(conn, first[0])
	if c != nil {
		c.asked = asked
	}
	return c, err
}

// connect returns the line, dialling when there is none.
func (m *machine) connect(ctx context.Context) (net.Conn, error) {
	m.line.Lock()
	conn := m.conn
	m.line.Unlock()
	if conn != nil {
		return conn, nil
	}
	conn, err := m.fleet.dial(ctx, m.fleet.polls.address)
	if err != nil {
		return nil, err
	}
	m.line.Lock()
	defer m.line.Unlock()
	// It may have been cut off while it dialled.
	switch {
	case ctx.Err() != nil:
		conn.Close()
		return nil, ctx.Err()
	case m.until > m.st.now():
		conn.Close()
		return nil, errOffline
	}
	m.conn = conn
	return conn, nil
}

// lineBuffers are shared by all lines: only those that are being written or answered hold one.
var lineBuffers = sync.Pool{New: func() any { return &lineBuffer{in: bufio.NewReaderSize(nil, lineBytes)} }}

type lineBuffer struct {
	out  []byte
	in   *bufio.Reader
	wake wakeReader
}

// A wakeReader gives the byte that woke the machine, then the line.
type wakeReader struct {
	first byte
	given bool
	conn  net.Conn
}

func (r *wakeReader) Read(p []byte) (int, error) {
	if !r.given && len(p) > 0 {
		r.given = true
		p[0] = r.first
		return 1, nil
	}
	return r.conn.Read(p)
}

func (m *machine) write(conn net.Conn) error {
	b := lineBuffers.Get().(*lineBuffer)
	defer lineBuffers.Put(b)
	t := &m.fleet.polls
	uri := t.prefix + "/v1/machines/" + m.name + "/commands?wait=" + m.fleet.waitText + "&last=" + url.QueryEscape(m.acknowledges())
	b.out = append(b.out[:0], "GET "...)
	b.out = append(b.out, uri...)
	b.out = append(b.out, " HTTP/1.1\r\nHost: "...)
	b.out = append(b.out, t.address...)
	b.out = append(b.out, "\r\nAuthorization: "...)
	b.out = append(b.out, lrhmac.Sign(m.key[:], m.name, http.MethodGet, uri, nil, time.Now())...)
	b.out = append(b.out, "\r\n\r\n"...)
	if err := conn.SetWriteDeadline(time.Now().Add(pollGrace)); err != nil {
		return err
	}
	_, err := conn.Write(b.out)
	return err
}

// read takes the answer off the line. The line is kept unless the service wants it closed.
func (m *machine) read(conn net.Conn, first byte) (*command, error) {
	b := lineBuffers.Get().(*lineBuffer)
	b.wake = wakeReader{first: first, conn: conn}
	b.in.Reset(&b.wake)
	defer func() {
		b.wake = wakeReader{}
		lineBuffers.Put(b)
	}()
	if err := conn.SetReadDeadline(time.Now().Add(pollGrace)); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(b.in, nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes+1))
	if err == nil && len(body) > maxBodyBytes {
		err = fmt.Errorf("a poll's answer is longer than %d bytes", maxBodyBytes)
	}
	if err != nil {
		m.hangUp() // before the Close, which would wait for the rest
	}
	_ = resp.Body.Close() // it has no more to say than the read had
	if err != nil {
		return nil, err
	}
	if resp.Close || b.in.Buffered() > 0 {
		m.hangUp()
	}
	switch resp.StatusCode {
	case http.StatusNoContent:
		return nil, nil
	case http.StatusOK:
		var c command
		if err := json.Unmarshal(body, &c); err != nil {
			return nil, fmt.Errorf("a command: %w", err)
		}
		return &c, nil
	}
	return nil, fmt.Errorf("a poll was answered %d", resp.StatusCode)
}
