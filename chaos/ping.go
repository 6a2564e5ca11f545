package chaos

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"
)

// PingGreeting waits for the first byte that a server sends by itself, as MySQL does.
func PingGreeting(ctx context.Context, addr string) error {
	return exchange(ctx, addr, nil)
}

// PingRedis sends PING. Any answer will do, NOAUTH too.
func PingRedis(ctx context.Context, addr string) error {
	return exchange(ctx, addr, []byte("*1\r\n$4\r\nPING\r\n"))
}

// PingHTTP asks for / and takes any status.
func PingHTTP(ctx context.Context, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
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

func exchange(ctx context.Context, addr string, say []byte) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := conn.Write(say); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// roundTrips measures a few pings at addr, each given timeout, and returns their median. The error is the last ping's.
func roundTrips(ctx context.Context, ping Ping, addr string, timeout time.Duration) (time.Duration, error) {
	const pings = 3
	var took []time.Duration
	var last error
	for range pings {
		began := time.Now()
		if last = pingOnce(ctx, ping, addr, timeout); last == nil {
			took = append(took, time.Since(began))
		}
	}
	if len(took) == 0 {
		return 0, last
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

func pingOnce(ctx context.Context, ping Ping, addr string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return ping(ctx, addr)
}

// silent measures that the link swallows a ping which the part behind it answers: nothing through the link in patience.
func silent(ctx context.Context, l *Link, what string, patience time.Duration) (Evidence, error) {
	direct, err := roundTrips(ctx, l.ping, l.upstream, patience)
	if err != nil {
		return Evidence{}, fmt.Errorf("%s does not answer beside the link either: %w", l.name, err)
	}
	began := time.Now()
	err = pingOnce(ctx, l.ping, l.Addr(), patience)
	took := time.Since(began)
	if err == nil {
		return Evidence{Text: fmt.Sprintf("%s answered through the link in %s", l.name, took.Round(time.Millisecond))}, nil
	}
	if took < patience/2 {
		return Evidence{Text: fmt.Sprintf("%s was refused at once (%v), not %s", l.name, err, what)}, nil
	}
	return Evidence{Felt: true, Text: fmt.Sprintf("no answer through the link in %s, %s beside it",
		took.Round(time.Millisecond), direct.Round(100*time.Microsecond))}, nil
}
