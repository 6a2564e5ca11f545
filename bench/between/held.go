package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunchrush/lunchrush/simulator/balancer"
)

// dialers is how many of the clients connect at one time.
const dialers = 64

// held keeps requests waiting in the balancer and lets them go.
func held(ctx context.Context, o options, back *backend, b *balancer.Balancer, out io.Writer) error {
	if err := b.Hold(); err != nil {
		return err
	}
	var (
		crowd    sync.WaitGroup
		over     = make(chan struct{}) // the clients keep their connections until then, as buyers' phones do
		answered atomic.Int64
		turn     = make(chan struct{}, dialers)
		errs     = make(chan error, o.waiting)
		address  = strings.TrimPrefix(b.URL("public"), "http://")
	)
	before, err := memory("VmRSS")
	if err != nil {
		return err
	}
	for i := range o.waiting {
		turn <- struct{}{}
		crowd.Add(1)
		go func() {
			conn, err := wait(ctx, address, i, func() { <-turn })
			if err == nil {
				answered.Add(1)
			}
			errs <- err
			crowd.Done()
			<-over
			if conn != nil {
				_ = conn.Close()
			}
		}()
	}
	if err := until(ctx, func() bool { return b.Counts()[0].Held == o.waiting }); err != nil {
		return fmt.Errorf("%d of %d are held: %w", b.Counts()[0].Held, o.waiting, err)
	}
	select {
	case <-time.After(o.hold):
	case <-ctx.Done():
		return ctx.Err()
	}
	waiting, err := memory("VmRSS")
	if err != nil {
		return err
	}
	spent := cpu()
	healed := time.Now()
	if err := b.Heal(); err != nil {
		return err
	}
	crowd.Wait()
	took := time.Since(healed)
	spent = cpu() - spent
	close(over)
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		fmt.Fprintf(out, "%d of %d were not answered: %s\n", o.waiting-int(answered.Load()), o.waiting, first)
	}
	sum, err := back.tally(ctx)
	if err != nil {
		return err
	}
	peak, err := memory("VmHWM")
	if err != nil {
		return err
	}
	released := time.Unix(0, sum.LastNS).Sub(healed)
	fmt.Fprintf(out, "\n%d requests held for %v, each on a connection of its own\n", o.waiting, o.hold)
	fmt.Fprintf(out, "reached the backend: %d, more than once: %d, answered: %d, waited for a file: %d\n",
		sum.Distinct, sum.Repeated, answered.Load(), b.Counts()[0].WaitedFiles)
	fmt.Fprintf(out, "memory: %d MiB before, %d MiB while all wait, %d MiB at most, wanted at most %d: %s\n",
		before>>20, waiting>>20, peak>>20, memoryLimit>>20, verdict(peak <= memoryLimit))
	fmt.Fprintf(out, "from the heal to the last one's arrival at the backend: %v, wanted at most %v: %s; to the last answer: %v\n",
		released.Round(time.Millisecond), releaseLimit, verdict(released <= releaseLimit), took.Round(time.Millisecond))
	fmt.Fprintf(out, "CPU time of clients and balancer from the heal on: %v, %v a request\n",
		spent.Round(time.Millisecond), (spent / time.Duration(o.waiting)).Round(time.Microsecond))
	return nil
}

// wait is one client: it sends a request and waits for the answer. It calls sent when the request is on its way. The
// connection is the caller's to close, nil when there is none.
func wait(ctx context.Context, address string, i int, sent func()) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		sent()
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	body := strings.Repeat("x", 256)
	_, err = fmt.Fprintf(conn, "POST /held/%d HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", i, address, len(body), body)
	sent()
	if err != nil {
		return conn, err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err != nil {
		return conn, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("request %d was answered %d %s", i, res.StatusCode, answer)
	}
	return conn, err
}

// until polls for at most half a minute.
func until(ctx context.Context, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
