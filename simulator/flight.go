package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// maxAnswer is how much of an answer's body is read.
const maxAnswer = 64 << 10

// A flightDeck is the http.RoundTripper under vegeta's client. It turns vegeta's empty target into the next send that is
// due, and does all the book-keeping of it, so that what vegeta gets back is a status and nothing to read.
type flightDeck struct{ *Timeline }

var noHeader = http.Header{}

func (d flightDeck) RoundTrip(req *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseUint(req.Header.Get("X-Vegeta-Seq"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("reading vegeta's sequence number: %w", err)
	}
	answer := &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: noHeader, Body: http.NoBody, Request: req,
	}
	e := d.board(seq)
	if e == nil {
		answer.Status = context.Canceled.Error()
		return answer, nil
	}
	d.fly(e)
	answer.StatusCode, answer.Status = e.came.Status, strconv.Itoa(e.came.Status)
	if e.came.Err != nil {
		answer.Status = e.came.Err.Error()
	}
	return answer, nil
}

// board takes the first send that is ready; nil when the run was cancelled.
func (d flightDeck) board(seq uint64) *entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ready) == 0 || d.ctx.Err() != nil {
		return nil
	}
	e := d.ready[0]
	d.ready[0] = nil
	d.ready = d.ready[1:]
	d.flights[seq] = e
	d.tally(e.Kind).sent++
	return e
}

// fly sends e, waits for the answer and keeps the books.
func (d flightDeck) fly(e *entry) {
	ctx, cancel := context.WithTimeout(d.ctx, timeoutOf(e))
	defer cancel()
	body := d.bodies.Get().(*bytes.Buffer)
	body.Reset()
	req, err := http.NewRequestWithContext(ctx, e.Method, e.URL, bytes.NewReader(e.Body))
	e.came = Answer{Due: e.Due, Sent: d.now()}
	if e.Intent != nil {
		e.Intent(e.came.Sent)
		e.came.Sent = d.now() // booking is not the service's time
	}
	if err == nil {
		if e.Header != nil {
			req.Header = e.Header
		}
		e.came.Status, err = d.exchange(req, body)
	}
	e.came.At, e.came.Err = d.now(), err
	e.in = body.Len()

	cancelled := d.ctx.Err() != nil && errors.Is(err, context.Canceled)
	if d.latency != nil && !cancelled {
		took, late := e.waited(), e.came.Sent-e.came.Due
		d.latency.Add(e.Kind, late+took, took, late)
	}
	if e.Done != nil {
		e.came.Body = body.Bytes()
		e.Done(e.came)
		e.came.Body = nil
	}
	d.bodies.Put(body)
	d.land(e)
}

// waited is how long the answer to e took. One that never came took no less than the sender's patience, however soon that was plain:
// a connection that is refused in a millisecond is no fast answer.
func (e *entry) waited() time.Duration {
	took := e.came.At - e.came.Sent
	if e.came.Status == 0 {
		took = max(took, timeoutOf(e))
	}
	return took
}

// exchange sends req and reads the answer's status and body. An answer that breaks off in its body is no answer: the
// sender cannot know what it would have said.
func (d flightDeck) exchange(req *http.Request, body *bytes.Buffer) (status int, err error) {
	resp, err := d.transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(body, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	return resp.StatusCode, nil
}

// land ends e's flight. The pacer of a closed timeline waits for the last one.
func (d flightDeck) land(e *entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.tally(e.Kind)
	if goodAnswer(&e.Send, e.came.Status) {
		c.ok++
	} else {
		c.failed++
		if e.came.Status == 0 {
			c.silent++
		}
	}
	d.crowd.pass(d.now(), d.inFlight)
	if d.inFlight--; d.closed && d.inFlight == 0 && len(d.queue) == 0 {
		d.wake()
	}
}

func timeoutOf(e *entry) time.Duration {
	if e.Timeout > 0 {
		return e.Timeout
	}
	return DefaultTimeout
}

// goodAnswer reports whether a send was answered as it should be: a probe must be refused.
func goodAnswer(s *Send, status int) bool {
	switch {
	case s.Kind == SendProbe:
		return status >= 400 && status < 500
	case s.Wants != 0:
		return status == s.Wants
	}
	return status >= 200 && status < 300
}

// loopbackTransport keeps a connection for each worker and dials nothing but loopback addresses: load goes nowhere else,
// whatever a URL says.
func loopbackTransport(workers int) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if err := loopbackAddress(address); err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, address)
		},
		MaxIdleConnsPerHost: workers,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
}

// loopbackAddress refuses any host:port but a loopback IP's. A name is refused too: what it stands for can change.
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
