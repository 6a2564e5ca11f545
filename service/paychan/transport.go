package paychan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// NewTransport makes the connections of one upstream. It holds and opens at most pool connections, and a call waits
// for one within its own time-out. Pool 0 is the documented failure (incidents acquirer-timeouts, unionid-down): no
// pool, each call dials its own connection, and there are as many as there are calls.
//
// Give each upstream its own; one transport shared by both channels is the failure of the incident shared-proxy.
func NewTransport(pool int) *http.Transport {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    2 * time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 16 << 10,
		IdleConnTimeout:        90 * time.Second,
	}
	if pool <= 0 {
		t.DisableKeepAlives = true
		return t
	}
	t.MaxConnsPerHost, t.MaxIdleConns, t.MaxIdleConnsPerHost = pool, pool, pool
	return t
}

// An upstream is one base URL with its own connections and time-out.
type upstream struct {
	name    string
	base    *url.URL
	timeout time.Duration
	http    *http.Client
	clock   clock
}

func newUpstream(name, base string, timeout time.Duration, transport http.RoundTripper) (*upstream, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("%s: the base URL can not be read", name)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" {
		return nil, fmt.Errorf("%s: base URL %q is not like http://host:port", name, u.Redacted())
	}
	if timeout <= 0 {
		return nil, fmt.Errorf("%s: the time-out must be positive", name)
	}
	if transport == nil {
		return nil, fmt.Errorf("%s: no transport", name)
	}
	return &upstream{name: name, base: u, timeout: timeout, http: &http.Client{
		Transport: transport,
		// A redirect is not an answer of a channel, and would carry our signature elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// call sends one request and decodes a 2xx answer into out, which may be nil. What it returns is a *ChannelError when
// the upstream said no, and otherwise means that nobody knows.
func (u *upstream) call(ctx context.Context, key []byte, method, path string, query url.Values, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()

	target := u.base.JoinPath(path)
	target.RawQuery = query.Encode()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("%s: encoding the request: %w", u.name, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", u.name, withoutURL(err))
	}
	req.Header.Set("Authorization", authorization(key, method, req.URL.RequestURI(), body, u.clock.now()))
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := u.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", u.name, withoutURL(err))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return fmt.Errorf("%s: reading the answer: %w", u.name, withoutURL(err))
	}
	if len(answer) > maxBody {
		return fmt.Errorf("%s: the answer is longer than %d bytes", u.name, maxBody)
	}
	return u.judge(resp.StatusCode, answer, out)
}

// judge sorts an answer. A 5xx, a redirect, a 4xx without the channel's code (so not the channel's), and the 4xx that
// ask to come again (408, 425, 429) say nothing about the effect.
func (u *upstream) judge(status int, answer []byte, out any) error {
	switch {
	case status >= 200 && status < 300:
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(answer, out); err != nil {
			return fmt.Errorf("%s: answered %d with no such JSON", u.name, status)
		}
		return nil
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
	case status >= 400 && status < 500:
		var no struct{ Code, Message string }
		if err := json.Unmarshal(answer, &no); err == nil && no.Code != "" {
			return &service.ChannelError{Status: status, Code: excerpt(no.Code, maxID), Message: excerpt(no.Message, maxMessage)}
		}
	}
	return fmt.Errorf("%s: answered %d", u.name, status)
}

// withoutURL drops the URL from an error of net/http: it names the buyer in the identity upstream's.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
