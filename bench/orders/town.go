package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/simulator/paysign"
)

// A town is a local testbed with what the service needs around it.
type town struct {
	dir     string
	stack   testbed.Stack
	up      *upstream
	signers []paysign.Signer // by turns
	wechat  *paysign.WeChat
	alipay  *paysign.Alipay
	profile string

	running testbed.Instance // the service, nil before serve
}

// profileVariable names the file that the service under the profiler writes.
const profileVariable = "LUNCHRUSH_BENCH_CPUPROFILE"

const closeTimeout = 30 * time.Second

func openTown(ctx context.Context, profile string) (_ *town, err error) {
	t := &town{profile: profile}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	if t.dir, err = os.MkdirTemp("", "lunchrush-orders-"); err != nil {
		return nil, err
	}
	spec := testbed.Spec{RunID: fmt.Sprintf("orders-%d", os.Getpid()), LogDir: t.dir}
	if profile == "" {
		if spec.Binary, err = buildLunchrush(ctx, t.dir); err != nil {
			return nil, err
		}
	} else if err := os.Setenv(profileVariable, profile); err != nil {
		return nil, err
	}
	choice, err := testbed.Choose(ctx, testbed.Local, nil)
	if err != nil {
		return nil, err
	}
	if t.stack, err = testbed.Start(ctx, choice, spec); err != nil {
		return nil, err
	}
	if t.up, err = openUpstream(ctx); err != nil {
		return nil, err
	}
	if t.wechat, t.alipay, err = paysign.Generate(); err != nil {
		return nil, err
	}
	t.signers = []paysign.Signer{t.wechat, t.alipay}
	return t, nil
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

// profiled is `lunchrush serve --role ROLES --config -` under the profiler.
func profiled(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	roles := f.String("role", strings.Join(process.Roles(), ","), "roles of this process")
	f.String("config", "-", "always read from stdin")
	if err := f.Parse(args); err != nil {
		return err
	}
	text, err := io.ReadAll(stdin)
	if err != nil {
		return err
	}
	cfg, err := service.ParseConfig(text)
	if err != nil {
		return err
	}
	cpu, err := os.Create(os.Getenv(profileVariable))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return process.Serve(ctx, cfg, strings.Split(*roles, ","), stdout, stderr)
}

func (t *town) close() error {
	var errs []error
	if t.stack != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		errs = append(errs, t.stack.Close(ctx))
	}
	if t.up != nil {
		t.up.close()
	}
	if t.dir != "" {
		errs = append(errs, os.RemoveAll(t.dir))
	}
	return errors.Join(errs...)
}

// config is the hardened service beside this town.
func (t *town) config() *service.Config {
	c := service.Default()
	w, a := t.wechat.Material(), t.alipay.Material()
	c.MySQL.DSN = service.Secret(t.stack.DSN())
	c.Redis = service.Redis{Cache: t.stack.CacheRedis(), Queue: t.stack.QueueRedis()}
	c.WeChat = service.WeChatAccess{
		BaseURL: t.up.url(), APIKey: service.Secret(w.APIKey), AppID: w.AppID, MchID: w.MchID,
		V3Key: service.Secret(w.APIv3Key), Platform: w.Platform(),
	}
	c.Alipay = service.AlipayAccess{
		BaseURL: t.up.url(), APIKey: service.Secret(a.APIKey), AppID: a.AppID, SellerID: a.SellerID, PublicKey: a.PublicKey,
	}
	c.Identity.URL = t.up.url()
	return c
}

// serve starts the service and waits until it is ready.
func (t *town) serve(ctx context.Context, name string, c *service.Config, roles []string) error {
	text, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	if t.running, err = t.stack.StartService(ctx, testbed.ServiceSpec{Name: name, Roles: roles, Config: text}); err != nil {
		return err
	}
	l, err := dial(ctx, t.internal())
	if err != nil {
		return err
	}
	defer l.close()
	for limit := time.Now().Add(30 * time.Second); ; {
		status, body, err := l.do("GET", "/readyz", nil, nil)
		switch {
		case err != nil:
			return fmt.Errorf("asking whether the service is ready: %w", err)
		case status == 200:
			return nil
		case time.Now().After(limit):
			return fmt.Errorf("the service is not ready: %s", body)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *town) public() string   { return strings.TrimPrefix(t.running.Public(), "http://") }
func (t *town) internal() string { return strings.TrimPrefix(t.running.Internal(), "http://") }
