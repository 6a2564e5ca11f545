package httpapi

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
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// A Peer is another role in other processes, reached over their internal listeners in turn.
type Peer struct {
	bases  []string
	next   atomic.Uint64
	client *http.Client
}

// NewPeer makes a peer of base URLs, at least one. A call takes timeout at most; connections are kept and bounded.
func NewPeer(bases []string, timeout time.Duration) *Peer {
	return &Peer{bases: bases, client: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
			MaxConnsPerHost:     128,
			MaxIdleConnsPerHost: 128,
			IdleConnTimeout:     30 * time.Second,
		},
	}}
}

var (
	_ service.CallbackTaker = (*Peer)(nil)
	_ service.Shop          = (*Peer)(nil)
	_ service.Waker         = (*Peer)(nil)
)

// call asks the next process, and when it can not even be reached each other one.
func (p *Peer) call(ctx context.Context, method, path string, in, out any) (err error) {
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	first := p.next.Add(1)
	for i := range p.bases {
		base := p.bases[(first+uint64(i))%uint64(len(p.bases))]
		err = p.ask(ctx, method, base+path, body, out)
		var dial *net.OpError
		if !errors.As(err, &dial) || dial.Op != "dial" {
			return err
		}
	}
	return err
}

func (p *Peer) ask(ctx context.Context, method, target string, body []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return errorOf(answer.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// errorOf turns an error answer into the error that it stands for.
func errorOf(status int, text []byte) error {
	var f failure
	_ = json.Unmarshal(text, &f) // without a code it is none of ours
	switch f.Code {
	case "UNKNOWN_MACHINE":
		return service.ErrUnknownMachine
	case "UNKNOWN_SLOT":
		return service.ErrUnknownSlot
	case "NOT_PAYABLE":
		return service.ErrNotPayable
	case "OVERLOADED":
		return service.ErrOverloaded
	}
	return fmt.Errorf("peer answered %d %s: %s", status, f.Code, f.Message)
}

// PayCallback hands a row of pay_queue to a front.
func (p *Peer) PayCallback(ctx context.Context, queueID int64) (result service.CallbackResult, err error) {
	err = p.call(ctx, http.MethodPost, "/internal/paycallback", map[string]int64{"queue_id": queueID}, &result)
	return result, err
}

// Price asks a shop.
func (p *Peer) Price(ctx context.Context, machineID string, slot int) (int64, error) {
	var answer priceAnswer
	err := p.call(ctx, http.MethodGet, "/internal/prices/"+url.PathEscape(machineID)+"/"+strconv.Itoa(slot), nil, &answer)
	return answer.PriceFen, err
}

// Wake wakes every notifier, all at once: a machine may poll at any of them, and one that hangs must not use up the others' time.
func (p *Peer) Wake(ctx context.Context, machineID, commandID string) error {
	body, err := json.Marshal(map[string]string{"machine_id": machineID, "command_id": commandID})
	if err != nil {
		return err
	}
	answers := make(chan error, len(p.bases))
	for _, base := range p.bases {
		go func() { answers <- p.ask(ctx, http.MethodPost, base+"/internal/push", body, nil) }()
	}
	var problems []error
	for range p.bases {
		problems = append(problems, <-answers)
	}
	return errors.Join(problems...)
}
