package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A Ping makes one smallest exchange with the part that listens at addr and returns when its answer is in. With a weight
// it sends at least so many bytes, up to [weightMax], all of which the part reads before it answers.
type Ping func(ctx context.Context, addr string, weight int) error

// weightMax is what MariaDB reads of somebody who has not logged in yet, 16 KiB, less a little.
const weightMax = 16_000

// PingGreeting waits for the first byte that a server sends by itself, as MySQL does. Its weight is a handshake that the
// server refuses once it has read it.
func PingGreeting(ctx context.Context, addr string, weight int) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	greeting := make([]byte, 4) // a header: length of three bytes, number of the packet
	if n, err := conn.Read(greeting); err != nil || weight == 0 {
		return err
	} else if _, err := io.ReadFull(conn, greeting[n:]); err != nil {
		return err
	}
	if length := int64(greeting[0]) | int64(greeting[1])<<8 | int64(greeting[2])<<16; length > 1024 {
		return errors.New("the greeting is not MySQL's")
	} else if _, err := io.CopyN(io.Discard, conn, length); err != nil {
		return err
	}
	packet := make([]byte, 4+weight)
	packet[0], packet[1], packet[2], packet[3] = byte(weight), byte(weight>>8), byte(weight>>16), 1
	if _, err := conn.Write(packet); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	if errors.Is(err, io.EOF) {
		err = nil // hanging up is an answer too
	}
	return err
}

// PingRedis sends PING, or an ECHO of weight. Any answer will do, NOAUTH too.
func PingRedis(ctx context.Context, addr string, weight int) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	say := "*1\r\n$4\r\nPING\r\n"
	if weight > 0 {
		say = fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", weight, strings.Repeat("x", weight))
	}
	if _, err := io.WriteString(conn, say); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// PingHTTP asks for /, with a body of weight, and takes any status.
func PingHTTP(ctx context.Context, addr string, weight int) error {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if weight > 0 {
		method, body = http.MethodPost, bytes.NewReader(make([]byte, weight))
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+"/", body)
	if err != nil {
		return err
	}
	// A connection of its own: a kept one would not feel what only new connections meet.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// dial opens a connection whose reads and writes end when ctx does, by its deadline or because nobody waits any more.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) }) // of one that is closed by then it changes nothing
	return conn, nil
}

// A Speech is how a part is pinged.
type Speech struct {
	Name string // "mysql", "redis", "http"
	Ping Ping
}

// Speeches are the protocols that a link can be measured on.
func Speeches() []Speech {
	return []Speech{{"mysql", PingGreeting}, {"redis", PingRedis}, {"http", PingHTTP}}
}

// Listen finds out what the part at addr speaks: who greets speaks mysql, who answers PING redis, who answers GET http.
func Listen(ctx context.Context, addr string) (Speech, error) {
	const patience = time.Second
	if conn, err := dial(ctx, addr); err != nil {
		return Speech{}, err
	} else if err := conn.Close(); err != nil {
		return Speech{}, err
	}
	// An HTTP server answers PING as well, with 400, so that the first word counts.
	word, err := firstWord(ctx, addr, "", patience/2)
	if err == nil && len(word) > 0 {
		return Speeches()[0], nil
	}
	word, err = firstWord(ctx, addr, "*1\r\n$4\r\nPING\r\n", patience)
	if err == nil && (strings.HasPrefix(word, "+") || strings.HasPrefix(word, "-")) {
		return Speeches()[1], nil
	}
	if pingOnce(ctx, PingHTTP, addr, 0, patience) == nil {
		return Speeches()[2], nil
	}
	return Speech{}, fmt.Errorf("%s speaks neither mysql, redis nor http: whether a fault is felt could not be measured", addr)
}

func firstWord(ctx context.Context, addr, say string, patience time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(ctx, addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, say); err != nil {
		return "", err
	}
	word := make([]byte, 16)
	n, err := conn.Read(word)
	return string(word[:n]), err
}

// A shortest keeps the least that some exchanges took. A busy machine only ever adds to an exchange, so the shortest is
// nearest to what the part itself needs; a median of a few is not, when the machine is busy for longer than those few.
type shortest struct {
	took time.Duration
	ok   bool  // at least one was answered
	err  error // the last one's, if it was not answered
}

// of times an exchange.
func (s *shortest) of(exchange func() error) {
	began := time.Now()
	if s.err = exchange(); s.err != nil {
		return
	}
	if took := time.Since(began); !s.ok || took < s.took {
		s.took, s.ok = took, true
	}
}

// few is how often an exchange is tried that a busy machine may hold up.
const few = 3

// compare times two exchanges with the same part in turn, so that whatever else the machine does meets both: a few of the
// one that may be slow, and a few of the other before each, which are over quickly.
func compare(slow, quick func() error) (through, beside shortest) {
	for range few {
		for range few {
			beside.of(quick)
		}
		through.of(slow)
	}
	return through, beside
}

func pingOnce(ctx context.Context, ping Ping, addr string, weight int, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return ping(ctx, addr, weight)
}

// added is how much longer a round trip through the link takes than one beside it.
func (l *Link) added(ctx context.Context, weight int, timeout time.Duration) (time.Duration, error) {
	through, beside := compare(
		func() error { return pingOnce(ctx, l.ping, l.Addr(), weight, timeout) },
		func() error { return pingOnce(ctx, l.ping, l.Upstream(), weight, timeout) })
	switch {
	case !beside.ok:
		return 0, fmt.Errorf("%s does not answer beside the link: %w", l.name, beside.err)
	case !through.ok:
		return 0, fmt.Errorf("%s does not answer through the link: %w", l.name, through.err)
	}
	return through.took - beside.took, nil
}

// silent measures that the link swallows a ping which the part behind it answers: nothing through the link in patience.
func silent(ctx context.Context, l *Link, what string, patience time.Duration) (Evidence, error) {
	var direct shortest
	for range few {
		direct.of(func() error { return pingOnce(ctx, l.ping, l.Upstream(), 0, patience) })
	}
	if !direct.ok {
		return Evidence{}, fmt.Errorf("%s does not answer beside the link either: %w", l.name, direct.err)
	}
	began := time.Now()
	err := pingOnce(ctx, l.ping, l.Addr(), 0, patience)
	took := time.Since(began)
	if err == nil {
		return Evidence{Text: fmt.Sprintf("%s answered through the link in %s", l.name, took.Round(time.Millisecond))}, nil
	}
	if took < patience/2 {
		return Evidence{Text: fmt.Sprintf("%s was refused at once (%v), not %s", l.name, err, what)}, nil
	}
	return Evidence{Felt: true, Text: fmt.Sprintf("no answer through the link in %s, %s beside it",
		took.Round(time.Millisecond), direct.took.Round(100*time.Microsecond))}, nil
}
