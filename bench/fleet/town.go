package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/simulator"
)

const (
	simulatorName = "simulator"
	serviceName   = "service"

	closeTimeout = 30 * time.Second
	arrivalLimit = 3 * time.Minute // for telling the service of all machines, and for their first polls
)

// A town is the databases, the service and the street, each in its own process.
type town struct {
	dir     string
	stack   testbed.Stack
	service testbed.Instance
	street  *exec.Cmd
	orders  io.WriteCloser // the street's stdin
	began   time.Time
	ended   chan error // the street's end
	gone    bool       // its end was told
}

func openTown(ctx context.Context, o options) (_ *town, err error) {
	t := &town{began: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	if t.dir, err = os.MkdirTemp("", "lunchrush-fleet-"); err != nil {
		return nil, err
	}
	spec := testbed.Spec{RunID: fmt.Sprintf("fleet-%d", os.Getpid()), LogDir: t.dir}
	if o.profile == "" {
		if spec.Binary, err = buildLunchrush(ctx, t.dir); err != nil {
			return nil, err
		}
	} else if err := os.Setenv(environmentProfile, o.profile); err != nil {
		return nil, err
	}
	choice, err := testbed.Choose(ctx, testbed.Local, nil)
	if err != nil {
		return nil, err
	}
	if t.stack, err = testbed.Start(ctx, choice, spec); err != nil {
		return nil, err
	}
	return t, t.populate(ctx, o)
}

// buildLunchrush builds the program as its Makefile does.
func buildLunchrush(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "lunchrush")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "github.com/lunchrush/lunchrush/cmd/lunchrush")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building lunchrush: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return binary, nil
}

// populate starts the street and the service, each of which must know of the other.
func (t *town) populate(ctx context.Context, o options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t.street = exec.CommandContext(ctx, self, "street")
	t.street.Stderr = os.Stderr
	if t.orders, err = t.street.StdinPipe(); err != nil {
		return err
	}
	out, err := t.street.StdoutPipe()
	if err != nil {
		return err
	}
	if err := t.street.Start(); err != nil {
		return err
	}
	t.ended = make(chan error, 1)
	tell := json.NewEncoder(t.orders)
	err = tell.Encode(order{o.machines, filepath.Join(t.dir, "run"), o.profile})
	var up simulator.ServiceSettings
	if err == nil {
		err = readLine(bufio.NewReader(out), &up)
	}
	go func() { t.ended <- t.street.Wait() }() // from here on nothing reads its stdout
	if err != nil {
		return fmt.Errorf("starting the simulator: %w", err)
	}
	text, err := yaml.Marshal(t.config(up))
	if err != nil {
		return err
	}
	t.service, err = t.stack.StartService(ctx, testbed.ServiceSpec{Name: serviceName, Roles: process.Roles(), Config: text})
	if err != nil {
		return err
	}
	if err := t.ready(ctx); err != nil {
		return err
	}
	return tell.Encode(simulator.Target{Public: t.service.Public(), Internal: t.service.Internal()})
}

// config is the hardened service between the stack and the simulator.
func (t *town) config(up simulator.ServiceSettings) *service.Config {
	c := service.Default()
	c.MySQL.DSN = service.Secret(t.stack.DSN())
	c.Redis = service.Redis{Cache: t.stack.CacheRedis(), Queue: t.stack.QueueRedis()}
	c.WeChat = service.WeChatAccess{
		BaseURL: up.WeChatURL, APIKey: service.Secret(up.WeChatAPIKey), AppID: up.WeChatAppID, MchID: up.WeChatMchID,
		V3Key: service.Secret(up.WeChatV3Key), Platform: map[string]string{up.WeChatSerial: up.WeChatCertificate},
	}
	c.Alipay = service.AlipayAccess{
		BaseURL: up.AlipayURL, APIKey: service.Secret(up.AlipayAPIKey), AppID: up.AlipayAppID, SellerID: up.AlipaySellerID,
		PublicKey: up.AlipayPublicKey,
	}
	c.Identity.URL = up.IdentityURL
	return c
}

func (t *town) close() error {
	var errs []error
	if t.street != nil && t.street.Process != nil {
		_ = t.orders.Close() // closed already when the street has ended by itself
		select {
		case err := <-t.ended:
			if !t.gone {
				errs = append(errs, err)
			}
		case <-time.After(closeTimeout):
			errs = append(errs, errors.New("the simulator does not end"), t.street.Process.Kill())
		}
	}
	if t.stack != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		errs = append(errs, t.stack.Close(ctx))
	}
	if t.dir != "" {
		errs = append(errs, os.RemoveAll(t.dir))
	}
	return errors.Join(errs...)
}

// pause lets time pass, unless the street or the service ends in it.
func (t *town) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case err := <-t.ended:
		t.ended <- err
		t.gone = true
		return fmt.Errorf("the simulator ended: %w", err)
	case <-t.service.Exited():
		return fmt.Errorf("the service ended: %w", t.service.Err())
	}
}

// ready waits until the service is.
func (t *town) ready(ctx context.Context) error {
	for limit := time.Now().Add(closeTimeout); ; {
		if _, err := t.get(ctx, "/readyz"); err == nil {
			return nil
		} else if time.Now().After(limit) {
			return fmt.Errorf("the service is not ready: %w", err)
		}
		if err := t.pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// allWait waits until nearly all machines do: some are always between two polls.
func (t *town) allWait(ctx context.Context, machines int) error {
	for limit := time.Now().Add(arrivalLimit); ; {
		waiting, err := t.waiting(ctx)
		switch {
		case err != nil:
			return err
		case waiting >= machines*99/100:
			return nil
		case time.Now().After(limit):
			return fmt.Errorf("only %d of %d machines wait", waiting, machines)
		}
		if err := t.pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// waiting is how many polls wait at the service.
func (t *town) waiting(ctx context.Context) (int, error) {
	n, err := t.metric(ctx, "lunchrush_polls_waiting")
	return int(n), err
}

// answered is how many polls and heartbeats the service has answered as it should.
func (t *town) answered(ctx context.Context) (polls, beats float64, err error) {
	polls, err = t.metric(ctx, `lunchrush_http_request_seconds_count{route="GET /v1/machines/{id}/commands",status="204"}`)
	if err == nil {
		beats, err = t.metric(ctx, `lunchrush_http_request_seconds_count{route="POST /v1/machines/{id}/heartbeats",status="200"}`)
	}
	return polls, beats, err
}

// metric reads one of the service's metrics, by its name with its labels.
func (t *town) metric(ctx context.Context, name string) (float64, error) {
	text, err := t.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the service has no metric %s", name)
}

func (t *town) get(ctx context.Context, path string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.service.Internal()+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, answer.Status, text)
	}
	return string(text), err
}
