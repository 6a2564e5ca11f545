package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
)

//go:embed thousand.yaml
var thousand []byte

// limit is the lateness wanted of 99 of 100 sends, at 1,000 a second on two cores.
const limit = 2 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "lateness:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("lateness", flag.ContinueOnError)
	f.SetOutput(stderr)
	testbed := f.String("testbed", "auto", "where the database and the service run: auto, containers, local, embedded")
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lunchrush-lateness-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	load := loadAverage()
	folder, err := play(ctx, dir, *testbed)
	if err != nil {
		return err
	}
	if load > float64(runtime.NumCPU())/2 {
		fmt.Fprintf(stdout, "load average %.1f before it began: the figures are of a busy machine\n", load)
	}
	return tell(folder, stdout)
}

// play builds lunchrush, runs the scenario with it and returns the run's folder.
func play(ctx context.Context, dir, testbed string) (string, error) {
	binary, scenario, runs := filepath.Join(dir, "lunchrush"), filepath.Join(dir, "thousand.yaml"), filepath.Join(dir, "runs")
	if err := os.WriteFile(scenario, thousand, 0o600); err != nil {
		return "", err
	}
	var out bytes.Buffer
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/lunchrush/lunchrush/cmd/lunchrush")
	build.Stdout, build.Stderr = &out, &out
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("building lunchrush: %w\n%s", err, out.Bytes())
	}
	out.Reset()
	play := exec.CommandContext(ctx, binary, "run", scenario, "--testbed", testbed, "--runs", runs)
	play.Cancel = func() error { return play.Process.Signal(os.Interrupt) } // it takes down what it started
	play.WaitDelay = 30 * time.Second
	play.Stdout, play.Stderr = &out, &out
	runErr := play.Run() // a verdict that is not PASS is an error here
	found, err := filepath.Glob(filepath.Join(runs, "*", reports.JSONFile))
	if err != nil || len(found) != 1 {
		return "", errors.Join(fmt.Errorf("the run left no report: %w\n%s", runErr, out.Bytes()), err)
	}
	return filepath.Dir(found[0]), nil
}

// tell prints the lateness of each kind of send.
func tell(folder string, out io.Writer) error {
	text, err := os.ReadFile(filepath.Join(folder, reports.JSONFile))
	if err != nil {
		return err
	}
	var a reports.Analysis
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("reading the report: %w", err)
	}
	text, err = os.ReadFile(filepath.Join(folder, runlog.ManifestFile))
	if err != nil {
		return err
	}
	var m runlog.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	seconds := time.Duration(m.Generator.WallNS).Seconds()
	var sends int64
	for i := range a.Latency {
		sends += a.Latency[i].Lateness.N
	}
	fmt.Fprintf(out, "%s %s/%s, %d cores; %s, %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), m.Testbed, m.Engine)
	fmt.Fprintf(out, "%d sends, about %.0f a second for %.0f s; the service in processes of its own\n", sends, float64(sends)/seconds, seconds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tsends\tlate p50\tp90\tp99\tmax\tresponse p50\tp99\t")
	for _, l := range a.Latency {
		q := l.Lateness
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t\n", l.Kind, q.N, ms(q.P50), ms(q.P90), ms(q.P99), ms(q.Max), ms(l.Response.P50), ms(l.Response.P99))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, v := range a.Measures {
		if v.Name == "lateness.p99" && v.Known {
			verdict := "as wanted"
			if v.Value > float64(limit) {
				verdict = "too late"
			}
			fmt.Fprintf(out, "lateness p99 of all: %s, wanted at most %s: %s\n", ms(int64(v.Value)), limit, verdict)
		}
	}
	fmt.Fprintf(out, "the run's own verdict: %s\n", a.Verdict.Outcome)
	return nil
}

// loadAverage is that of the last minute, 0 where it is not known.
func loadAverage() (load float64) {
	f, err := os.Open("/proc/loadavg") // Linux only
	if err != nil {
		return 0
	}
	defer f.Close()
	if _, err := fmt.Fscan(f, &load); err != nil {
		return 0
	}
	return load
}

// ms writes nanoseconds in milliseconds; a quantile of too few sends is none.
func ms(ns int64) string {
	if ns < 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fms", float64(ns)/1e6)
}
