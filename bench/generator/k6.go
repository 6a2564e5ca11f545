package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const k6Version = "v1.8.1"

// k6Run is `k6 run` with as many virtual users as it asks for.
type k6Run struct{ binary string }

// buildK6 installs k6 into dir. It needs the module proxy, and gives up after five minutes.
func buildK6(ctx context.Context, dir string) (sender, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "go", "install", "go.k6.io/k6@"+k6Version)
	install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-mod=mod", "GOWORK=off")
	if _, _, err := output(install); err != nil {
		if ctx.Err() != nil {
			err = errors.New("took longer than 5 minutes")
		}
		return nil, err
	}
	return k6Run{filepath.Join(dir, "k6")}, nil
}

func (k6Run) name() string { return "k6" }

const k6Script = `
import http from 'k6/http';
import encoding from 'k6/encoding';
import { SharedArray } from 'k6/data';
import { scenario } from 'k6/execution';

const notes = new SharedArray('notes', () => JSON.parse(open(%[1]q)).notes.map((n) => ({
  body: encoding.b64decode(n.body, 'std', 's'),
  headers: Object.fromEntries(Object.entries(n.header).map(([k, v]) => [k, v[0]])),
})));

export const options = {
  discardResponseBodies: true,
  scenarios: { notify: {
    executor: 'constant-arrival-rate', rate: %[2]d, timeUnit: '1s', duration: '%[3]s', preAllocatedVUs: 100, maxVUs: 500,
  } },
};

export default function () {
  const n = notes[scenario.iterationInTest %% notes.length];
  http.post(%[4]q, n.body, { headers: n.headers });
}

export function handleSummary(data) {
  const m = data.metrics;
  const sent = m.http_reqs ? m.http_reqs.values.count : 0;
  const failed = m.http_req_failed ? m.http_req_failed.values.passes : 0;
  return { %[5]q: JSON.stringify({ sent: sent, ok: sent - failed }) };
}
`

func (k k6Run) send(ctx context.Context, s shot) (c cost, err error) {
	script, summary := filepath.Join(s.dir, "k6.js"), filepath.Join(s.dir, "k6.json")
	text := fmt.Sprintf(k6Script, s.sheet.path, s.rate, s.duration, s.url, summary)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return c, err
	}
	cmd := exec.CommandContext(ctx, k.binary, "run", "--quiet", "--no-usage-report", script)
	_, cpu, err := output(cmd)
	if err != nil {
		return c, err
	}
	answer, err := os.ReadFile(summary)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(answer, &c); err != nil {
		return c, fmt.Errorf("reading k6's summary: %w", err)
	}
	c.CPU = cpu
	return c, nil
}
