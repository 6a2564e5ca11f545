package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lunchrush/lunchrush/internal/chromium"
	"github.com/lunchrush/lunchrush/internal/runlog"
)

// page is where the session's live page is.
func (s *session) page(t *testing.T) string {
	t.Helper()
	s.stderr.waitFor(t, `^live: http://\S+/$`)
	return regexp.MustCompile(`(?m)^live: (http://\S+)/$`).FindStringSubmatch(s.stderr.String())[1]
}

// ask gets a path of a live page, or posts a form to it, with the token if there is one.
func ask(t *testing.T, page, path, token string, form url.Values) (status int, text string) {
	t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, page+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", page)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// metric is the sum of a metric's samples.
func metric(t *testing.T, page, token, name string) (sum float64) {
	t.Helper()
	_, text := ask(t, page, "/metrics", token, nil)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == '{' || rest[0] == ' ') {
			fields := strings.Fields(line)
			v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				t.Fatal(line)
			}
			sum += v
		}
	}
	return sum
}

// waitMetric returns when a metric is as it should be.
func waitMetric(t *testing.T, page, token, name string, good func(float64) bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		v := metric(t, page, token, name)
		if good(v) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is %v after a minute", name, v)
		}
	}
}

func more(than float64) func(float64) bool { return func(v float64) bool { return v > than } }

// handOn is a hand on the fault form.
func handOn(fault, on, long string, params string) string {
	return fmt.Sprintf(`(() => {
		const select = document.querySelector("select[name=inject]");
		select.value = %q;
		select.dispatchEvent(new Event("change", {bubbles: true}));
		const fields = document.querySelector("fieldset:not([hidden])");
		fields.querySelector("[name=on]").value = %q;
		document.querySelector("form.inject [name=for]").value = %q;
		for (const [name, value] of new URLSearchParams(%q)) fields.querySelector("[name='p." + name + "']").value = value;
		document.querySelector("form.inject > button").click();
		return true;
	})()`, fault, on, long, params)
}

func click(selector string) string {
	return fmt.Sprintf(`(() => { document.querySelector(%q).click(); return true })()`, selector)
}

func TestARunIsWatchedBrokenAndHeldByHandInABrowser(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	ctx := chromium.Start(t)
	// A minute of plan: what is done below must be done before it is over, however busy the machine is.
	s := startSession(t, "run", "short.yaml", "--speed", "5", "--testbed", sessionTestbed, "--ui", "127.0.0.1:0")
	page := s.page(t)
	against := &chromium.Complaints{Origins: []string{page, "data:,"}}
	if err := against.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(page)); err != nil {
		t.Fatal(err)
	}
	hand := func(script string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script)); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, s.stderr)
		}
	}
	until := func(expression string) { t.Helper(); chromium.Until(ctx, t, expression) }

	until(`document.querySelector("#head .verdict").innerText.toLowerCase() === "playing"`)
	until(`document.querySelectorAll("#chart svg path").length > 4`)
	sent := metric(t, page, "", "lunchrush_run_sends_total")
	waitMetric(t, page, "", "lunchrush_run_sends_total", more(sent))
	dashboardIsFed(t, page)

	hand(handOn("latency", "mysql", "3s", "by=30ms"))
	until(`document.getElementById("faults").innerText.includes("felt: ")`)
	hand(handOn("kill", "service", "1s", ""))
	until(`document.getElementById("faults").innerText.includes("service: kill")`)
	until(`!document.querySelector("#faults tr.unknown, #faults tr.zero")`) // both are healed

	hand(click("form[action='/pause'] button"))
	until(`document.querySelector("#head .verdict").innerText.toLowerCase() === "held"`)
	until(`document.getElementById("figure-orders").innerText.includes("\n0.0/s")`)
	if metric(t, page, "", "lunchrush_run_paused") != 1 {
		t.Error("the metrics do not say that the plan is held")
	}
	hand(click("form[action='/resume'] button"))
	until(`document.querySelector("#head .verdict").innerText.toLowerCase() === "playing"`)
	orders := metric(t, page, "", "lunchrush_run_orders_total")
	waitMetric(t, page, "", "lunchrush_run_orders_total", more(orders))

	// The page turns into the report, and stays when the run is gone.
	code := s.wait(t)
	until(`location.pathname === "/report" && document.body.innerText.includes("by hand")`)
	if code != exitInconclusive {
		t.Errorf("exit code %d, want %d\n%s\n%s", code, exitInconclusive, s.stdout.String(), s.stderr)
	}
	if first, _, _ := strings.Cut(s.stdout.String(), "\n"); !strings.Contains(first, "by hand: paused for ") || !strings.Contains(first, "latency 30ms on mysql; kill on service") {
		t.Errorf("the verdict's line does not say what was done by hand: %s", first)
	}
	on, felt, off, folder := booked(t, s.runDir(t))
	m := folder.Manifest
	if on != 2 || felt != 2 || off != 2 || len(m.Faults) != 2 || !m.Faults[0].ByHand || !m.Faults[1].ByHand {
		t.Errorf("%d faults injected, %d felt, %d healed; the manifest has %+v", on, felt, off, m.Faults)
	}
	if len(m.Pauses) != 1 || m.Pauses[0].ToNS-m.Pauses[0].FromNS < int64(time.Second) || m.Ended != "whole" || m.Sent["create"] != m.Planned["create"] {
		t.Errorf("it ended %q, with %+v, %d of %d orders sent", m.Ended, m.Pauses, m.Sent["create"], m.Planned["create"])
	}
	if !strings.Contains(strings.Join(m.Notes, "\n"), "proxies of ours") {
		t.Errorf("nothing says that the links went through proxies: %q", m.Notes)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(page, "http://")); err == nil {
		conn.Close()
		t.Error("the page is still there after the run")
	}
	if heard := against.Heard(); len(heard) > 0 {
		t.Errorf("the browser complains: %q", heard)
	}
	s.leftovers(t)
}

var exposed = regexp.MustCompile(`lunchrush_[a-z_]+`)

// dashboardIsFed holds the dashboard's metrics against those of a run that goes on.
func dashboardIsFed(t *testing.T, page string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "grafana", "lunchrush.json"))
	if err != nil {
		t.Fatal(err)
	}
	waitMetric(t, page, "", "lunchrush_run_response_seconds_count", more(0))
	_, metrics := ask(t, page, "/metrics", "", nil)
	for _, name := range exposed.FindAllString(string(text), -1) {
		switch name {
		case "lunchrush_run_faults_active": // there is no fault yet
		default:
			if !strings.Contains(metrics, "\n"+name+"{") && !strings.Contains(metrics, "\n"+name+" ") {
				t.Errorf("the dashboard asks for %s, which the run does not have", name)
			}
		}
	}
}

func TestStopOnThePageIsACtrlC(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	const token = "a token for this test"
	s := startSession(t, "run", "short.yaml", "--testbed", sessionTestbed, "--ui", "127.0.0.1:0", "--ui-token", token)
	page := s.page(t)
	if status, _ := ask(t, page, "/", "", nil); status != http.StatusUnauthorized {
		t.Errorf("without the token the page is %d", status)
	}
	s.stderr.waitFor(t, `^play`)
	_, text := ask(t, page, "/", token, nil)
	act := regexp.MustCompile(`name="act" value="([A-Z2-7]+)"`).FindStringSubmatch(text)
	if act == nil {
		t.Fatalf("the page has no form:\n%s", text)
	}
	fault := url.Values{"act": {act[1]}, "inject": {"latency"}, "on": {"redis-queue"}, "for": {"5m"}, "p.by": {"20ms"}}
	if status, said := ask(t, page, "/inject", token, fault); status != http.StatusOK {
		t.Fatalf("%d %s", status, said)
	}
	waitMetric(t, page, token, "lunchrush_run_faults_active", more(0))
	if status, said := ask(t, page, "/stop", token, url.Values{"act": {act[1]}}); status != http.StatusOK {
		t.Fatalf("%d %s", status, said)
	}
	if code := s.wait(t); code != exitInterrupted {
		t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, s.stderr)
	}
	if !strings.Contains(s.stderr.String(), "stopped on the live page") {
		t.Errorf("stderr does not say why:\n%s", s.stderr)
	}
	on, off := 0, 0
	folder, err := runlog.Open(s.runDir(t))
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range folder.Records() {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case r.Event == runlog.FaultOn:
			on++
		case r.Event == runlog.FaultOff && r.Note == "":
			off++
		}
	}
	if on != 1 || off != 1 || folder.Manifest.Ended != "interrupted" {
		t.Errorf("it ended %q; %d faults injected, %d healed", folder.Manifest.Ended, on, off)
	}
	for _, name := range []string{"run.json", "report.json", "report.html", "summary.md"} {
		text, err := os.ReadFile(filepath.Join(s.runDir(t), name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), token) {
			t.Errorf("the token is in %s", name)
		}
	}
	s.leftovers(t)
}

func TestAProofIsWatchedSideBySide(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	s := startSession(t, "prove", "twice.yaml", "--testbed", sessionTestbed, "--ui", "127.0.0.1:0", "--ui-watch-only")
	page := s.page(t)
	resp, err := http.Get(page + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	var seen []string
	over := false
	for !over && lines.Scan() {
		text := lines.Text()
		for _, side := range []string{"as-was", "hardened"} {
			if strings.Contains(text, "· "+side+" ·") && (len(seen) == 0 || seen[len(seen)-1] != side) {
				seen = append(seen, side)
			}
		}
		if strings.Contains(text, "<button") {
			t.Fatal("a page that only watches has a button")
		}
		if over = strings.Contains(text, `"over":true`); over && strings.Contains(text, `"report":true`) {
			t.Error("a proof of two runs has one report")
		}
	}
	resp.Body.Close()
	s.wait(t)
	if !over || strings.Join(seen, " ") != "as-was hardened" {
		t.Errorf("over is %v, sides %q\n%s", over, seen, s.stderr)
	}
	runs, err := filepath.Glob(filepath.Join(s.dir, "reports", "runs", "[0-9]*"))
	if err != nil || len(runs) != 2 {
		t.Fatalf("%v, %v", runs, err)
	}
	for _, dir := range runs {
		folder, err := runlog.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if folder.Manifest.Touched() || strings.Contains(strings.Join(folder.Manifest.Notes, "\n"), "proxies of ours") {
			t.Errorf("a run that was only watched was touched: %q", folder.Manifest.Notes)
		}
	}
	s.leftovers(t)
}

func TestAPortThatIsTakenEndsTheRunBeforeItBegins(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := startSession(t, "run", "short.yaml", "--testbed", sessionTestbed, "--ui", l.Addr().String())
	if code := s.wait(t); code != exitCannotRun {
		t.Errorf("exit code %d, want %d", code, exitCannotRun)
	}
	for _, want := range []string{"--ui: listen tcp", "address already in use", "hint: another run may have the port"} {
		if !strings.Contains(s.stderr.String(), want) {
			t.Errorf("stderr has no %q:\n%s", want, s.stderr)
		}
	}
	if strings.Contains(s.stderr.String(), "testbed:") {
		t.Errorf("something was started all the same:\n%s", s.stderr)
	}
}
