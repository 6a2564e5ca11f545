package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func timelineFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "faults.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestChaosProxyPlaysATimelineOnSomebodysOwnLink(t *testing.T) {
	file := timelineFile(t, `faults:
  - {at: 100ms, for: 1s, inject: latency, by: 60ms}
  - {at: 200ms, for: 1500ms, inject: slow-close, by: 100ms}
`)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{
		"chaos", "proxy", "--upstream", miniredis.RunT(t).Addr(), "--file", file, "--once",
	}, nil, &out, &errs)
	if code != exitPass {
		t.Fatalf("exit code %d\n%s\n%s", code, out.String(), errs.String())
	}
	for _, want := range []string{
		"(redis)\n", "injected  1 latency 60ms", "felt      1 latency 60ms: ", "healed    1 latency 60ms",
		"felt      2 slow close 100ms: ", "healed    2 slow close 100ms",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestChaosProxyHealsAndEndsOnInterrupt(t *testing.T) {
	file := timelineFile(t, "faults:\n  - {at: 0s, for: 1h, inject: down}\n  - {at: 1h, for: 1h, inject: hold}\n")
	cmd := exec.Command(buildBinary(t), "chaos", "proxy", "--upstream", miniredis.RunT(t).Addr(), "--file", file)
	out := &watched{changed: make(chan struct{}, 1)}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := context.AfterFunc(t.Context(), func() { cmd.Process.Kill() })
	defer stop()
	out.waitFor(t, `felt +1 down: connection refused`)
	cmd.Process.Signal(os.Interrupt)
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, out)
	}
	if !strings.Contains(out.String(), "healed    1 down") || strings.Contains(out.String(), "2 hold") {
		t.Errorf("the fault that was on must be healed, the other never injected:\n%s", out)
	}
}

// A link that is down cannot be reset as well: nobody would feel the second fault.
func TestChaosProxySaysWhenAFaultWasNotFelt(t *testing.T) {
	file := timelineFile(t, `faults:
  - {at: 0s, for: 3s, inject: down}
  - {at: 500ms, for: 1s, inject: reset}
`)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"chaos", "proxy", "--upstream", miniredis.RunT(t).Addr(), "--file", file, "--once"}, nil, &out, &errs)
	if code != exitInconclusive {
		t.Errorf("exit code %d, want %d\n%s", code, exitInconclusive, out.String())
	}
	if !strings.Contains(out.String(), "NOT FELT  2 reset: link refuses connections, it does not reset them") {
		t.Errorf("it does not say what was measured:\n%s", out.String())
	}
}
