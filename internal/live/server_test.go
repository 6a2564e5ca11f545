package live

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
)

func TestActsReachTheRun(t *testing.T) {
	stopped := 0
	p := open(t, Config{Stop: func() { stopped++ }})
	if status, text := p.post(t, "/pause", nil, nil); status != http.StatusConflict || !strings.Contains(text, "no run") {
		t.Errorf("before the run: %d %s", status, text)
	}
	run := newFakeRun()
	p.Begin(run)
	steps := []struct {
		name, path string
		form       url.Values
		status     int
		says       string
	}{
		{"pause", "/pause", nil, 200, "held"},
		{"pause again", "/pause", nil, 409, "held already"},
		{"resume", "/resume", nil, 200, "goes on"},
		{"resume again", "/resume", nil, 409, "not held"},
		{
			"inject", "/inject",
			url.Values{"inject": {"latency"}, "on": {"mysql"}, "for": {" 8s "}, "p.by": {" 200ms "}, "p.jitter": {""}},
			200, "by hand 1: latency 200ms on mysql",
		},
		{"a duration without a unit", "/inject", url.Values{"inject": {"latency"}, "on": {"mysql"}, "for": {"8"}, "p.by": {"1s"}}, 400, `for: "8" is no duration like 20s`},
		{"no duration", "/inject", url.Values{"inject": {"latency"}, "on": {"mysql"}, "p.by": {"1s"}}, 400, "for: "},
		{"a parameter that is missing", "/inject", url.Values{"inject": {"latency"}, "on": {"mysql"}, "for": {"8s"}}, 400, "by: latency needs it"},
		{"no such fault", "/inject", url.Values{"inject": {"<b>"}, "on": {"mysql"}, "for": {"8s"}}, 400, "no such fault"},
		{"heal", "/heal", url.Values{"id": {"by hand 1: latency 200ms on mysql"}}, 200, "healing"},
		{"stop", "/stop", nil, 200, "stopping"},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			if status, text := p.post(t, step.path, step.form, nil); status != step.status || !strings.Contains(text, step.says) {
				t.Errorf("got %d %q, want %d %q", status, text, step.status, step.says)
			}
		})
	}
	if len(run.injected) != 1 || run.injected[0].Encode() != "for=8s&inject=latency&on=mysql&p.by=200ms" || run.faults[0].ToNS == 0 || stopped != 1 {
		t.Errorf("injected %v, faults %+v, stopped %d times", run.injected, run.faults, stopped)
	}
	run.refuse = errors.New("not now")
	if status, text := p.post(t, "/inject", url.Values{"inject": {"hold"}, "on": {"mysql"}, "for": {"8s"}}, nil); status != 409 || text != "not now\n" {
		t.Errorf("got %d %q", status, text)
	}
	run.refuse = &chaos.Mistake{Field: "on", What: "there is no such thing"}
	if status, _ := p.post(t, "/inject", url.Values{"inject": {"hold"}, "on": {"x"}, "for": {"8s"}}, nil); status != 400 {
		t.Errorf("a mistake is %d", status)
	}
}

func TestNobodyElseCanAct(t *testing.T) {
	p := open(t, Config{Stop: func() { t.Error("the run was stopped") }})
	run := newFakeRun()
	p.Begin(run)
	tests := []struct {
		name   string
		form   url.Values
		change func(*http.Request)
		status int
	}{
		{"another site's page", nil, func(r *http.Request) { r.Header.Set("Origin", "http://example.com") }, 403},
		{"another port of this machine", nil, func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, 403},
		{"a page in a box", nil, func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"nobody's", nil, func(r *http.Request) { r.Header.Del("Origin") }, 403},
		{"what the browser says is another's", nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"a sister site's", nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		{"without the page's own word", url.Values{"act": {""}}, nil, 403},
		{"with the word of another page", url.Values{"act": {"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}}, nil, 403},
		{"by a name that leads here", nil, func(r *http.Request) {
			r.Host = "lunch.example.com"
			r.Header.Set("Origin", "http://lunch.example.com")
		}, 421},
		{"a form without end", url.Values{"x": {strings.Repeat("x", bodyMost)}}, nil, 400},
	}
	for _, tt := range tests {
		for _, path := range []string{"/pause", "/stop", "/inject"} {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				if status, text := p.post(t, path, tt.form, tt.change); status != tt.status {
					t.Errorf("got %d %s, want %d", status, text, tt.status)
				}
			})
		}
	}
	for _, path := range []string{"/pause", "/stop", "/inject", "/heal", "/resume"} {
		if status, _ := p.get(t, path, nil); status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	if run.paused || len(run.injected) > 0 {
		t.Error("somebody else's act has reached the run")
	}
}

func TestNobodyElseCanRead(t *testing.T) {
	p := open(t, Config{})
	p.Begin(newFakeRun())
	for _, path := range []string{"/", "/events", "/metrics", "/report", "/live.js"} {
		if status, _ := p.get(t, path, func(r *http.Request) { r.Host = "lunch.example.com:7070" }); status != http.StatusMisdirectedRequest {
			t.Errorf("%s by another's name: %d", path, status)
		}
		if status, _ := p.get(t, path, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); status != http.StatusForbidden {
			t.Errorf("%s for another site: %d", path, status)
		}
	}
	link := func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
	}
	if status, _ := p.get(t, "/", link); status != 200 {
		t.Errorf("a link to the page: %d", status)
	}
	resp, err := http.Get(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := resp.Header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("others may read: %q", got)
	}
}

func TestATokenIsAskedOfEverybody(t *testing.T) {
	const token = "sesame-sesame-sesame"
	p := open(t, Config{Token: token, Stop: func() { t.Error("the run was stopped") }})
	run := newFakeRun()
	p.Begin(run)
	for _, path := range []string{"/", "/events", "/metrics", "/report"} {
		status, text := p.get(t, path, nil)
		if status != http.StatusUnauthorized || strings.Contains(text, "lunch peak") || strings.Contains(text, p.act) {
			t.Errorf("%s without the token: %d %s", path, status, text)
		}
	}
	if status, _ := p.post(t, "/stop", nil, nil); status != http.StatusUnauthorized {
		t.Errorf("an act without the token: %d", status)
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	for _, wrong := range []string{"", "sesame", token + "x", token[:len(token)-1]} {
		if status, _ := p.get(t, "/metrics", bearer(wrong)); status != http.StatusUnauthorized {
			t.Errorf("with %q: %d", wrong, status)
		}
	}
	if status, text := p.get(t, "/metrics", bearer(token)); status != 200 || !strings.Contains(text, "lunchrush_run_info") {
		t.Errorf("a Prometheus with the token: %d %s", status, text)
	}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	enter := func(token, origin string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.origin()+"/enter", strings.NewReader(url.Values{"token": {token}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if got := enter("wrong", p.origin()).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("the wrong token: %d", got)
	}
	if got := enter(token, "http://example.com").StatusCode; got != http.StatusForbidden {
		t.Errorf("the token by another's form: %d", got)
	}
	if got := enter(token, p.origin()).StatusCode; got != 200 { // led back to the page
		t.Errorf("the token: %d", got)
	}
	home, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range jar.Cookies(home) {
		if strings.Contains(c.Value, token) {
			t.Error("the cookie has the token in it")
		}
	}
	resp, err := client.Get(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || !strings.Contains(string(text), "The lunch peak") {
		t.Errorf("with the cookie: %d %s", resp.StatusCode, text)
	}
}

func TestAPageThatOnlyWatchesHasNoHand(t *testing.T) {
	p := open(t, Config{Only: true, Stop: func() { t.Error("the run was stopped") }})
	run := newFakeRun()
	run.only = true
	p.Begin(run)
	for _, path := range []string{"/pause", "/resume", "/stop", "/inject", "/heal"} {
		if status, text := p.post(t, path, url.Values{"for": {"8s"}}, nil); status != http.StatusConflict || !strings.Contains(text, "only watched") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if _, text := p.get(t, "/", nil); strings.Contains(text, "<button") || !strings.Contains(text, "only watched") {
		t.Errorf("the page has a button: %s", text)
	}
}

// A listener reads a page's stream.
type listener struct {
	*bufio.Scanner
	body io.Closer
}

func (p *Page) listen(t *testing.T) *listener {
	t.Helper()
	resp, err := http.Get(p.origin() + "/events?view=narrow")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the stream is %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	return &listener{lines, resp.Body}
}

// next is the next frame.
func (l *listener) next(t *testing.T) frame {
	t.Helper()
	for l.Scan() {
		if text, ok := strings.CutPrefix(l.Text(), "data: "); ok {
			var f frame
			if err := json.Unmarshal([]byte(text), &f); err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("the stream has ended: %v", l.Err())
	return frame{}
}

func TestAStreamTellsWhatHasChanged(t *testing.T) {
	p := open(t, Config{Stop: func() {}})
	p.Say("starting the databases")
	l := p.listen(t)
	if f := l.next(t); !strings.Contains(f.Swap["head"], "starting the databases") {
		t.Errorf("the first frame is %v", f.Swap)
	}
	run := newFakeRun()
	p.Begin(run)
	if f := l.next(t); !strings.Contains(f.Swap["head"], "The lunch peak") || !strings.Contains(f.Swap["inject"], `<option>latency</option>`) {
		t.Errorf("the run's first frame is %v", f.Swap)
	}
	p.Second(run.second(nil))
	f := l.next(t)
	for id, want := range map[string]string{"figures": "20.0/s", "chart": "<svg", "head": "10:31:30"} {
		if !strings.Contains(f.Swap[id], want) {
			t.Errorf("%s has no %q: %s", id, want, f.Swap[id])
		}
	}
	if _, again := f.Swap["inject"]; again {
		t.Error("the form is sent again although it has not changed: what somebody typed is lost")
	}
	if !strings.Contains(f.Swap["figures"], "too few") {
		t.Errorf("20 answers have a p99: %s", f.Swap["figures"])
	}
	if status, text := p.post(t, "/inject", url.Values{"inject": {"latency"}, "on": {"mysql"}, "for": {"8s"}, "p.by": {"200ms"}}, nil); status != 200 {
		t.Fatal(status, text)
	}
	if f = l.next(t); !strings.Contains(f.Swap["faults"], "felt: 203ms added") {
		t.Errorf("the fault is not told at once: %v", f.Swap)
	}
	p.Second(run.second(nil))
	f = l.next(t)
	for id, want := range map[string]string{"chart": "by hand: mysql: latency 200ms (felt: 203ms added)", "head": "10:33:00"} {
		if !strings.Contains(f.Swap[id], want) {
			t.Errorf("%s has no %q: %s", id, want, f.Swap[id])
		}
	}
}

func TestWhatComesFromARunIsNoMarkup(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>`
	p := open(t, Config{})
	run := newFakeRun()
	run.m.Title, run.m.Scenario = evil, evil
	run.faults = []reports.LiveFault{{Fault: reports.Fault{ID: evil, On: evil, What: evil, Injected: true, Evidence: evil, ByHand: true}, ForNS: 60e9}}
	p.Begin(run)
	p.Second(run.second(nil))
	p.Judged(nil, evil, errors.New(evil))
	if _, text := p.get(t, "/", nil); strings.Contains(text, "<img") || !strings.Contains(text, "&lt;img") {
		t.Errorf("text became markup: %s", text)
	}
}

func TestThereIsAnEndToStreamsAndConnections(t *testing.T) {
	p := open(t, Config{})
	for range streamsMost {
		p.listen(t).next(t)
	}
	if status, text := p.get(t, "/events", nil); status != http.StatusServiceUnavailable || !strings.Contains(text, fmt.Sprint(streamsMost)) {
		t.Errorf("one more: %d %s", status, text)
	}
	if status, _ := p.get(t, "/", nil); status != 200 {
		t.Errorf("the page itself: %d", status)
	}
}

func TestAHeaderThatNeverEndsIsHungUpOn(t *testing.T) {
	p := open(t, Config{})
	if p.server.ReadHeaderTimeout <= 0 || p.server.ReadTimeout <= 0 || p.server.IdleTimeout <= 0 {
		t.Fatalf("the server has no time-outs: %+v", p.server)
	}
	c, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10)); err != nil {
		t.Log(err) // it hung up while we spoke
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	text, _ := io.ReadAll(c)
	if len(text) > 0 && !strings.Contains(string(text), "431") {
		t.Errorf("got %.100s", text)
	}
}

func TestTheEndIsToldAndThenThePageIsGone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "report.html"), []byte("<p>the whole report"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Open(Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	run := newFakeRun()
	p.Begin(run)
	l := p.listen(t)
	l.next(t)
	if status, _ := p.get(t, "/report", nil); status != http.StatusNotFound {
		t.Errorf("a report before there is one: %d", status)
	}
	p.Judged(&reports.Analysis{
		Run: runlog.Manifest{Scenario: "peak-lunch", Profile: "hardened"}, Verdict: reports.Verdict{Outcome: reports.Pass, Headline: "13,000 orders: all accounted for"},
	}, dir, nil)
	if f := l.next(t); !strings.Contains(f.Swap["past"], "all accounted for") || f.Over {
		t.Errorf("the verdict: %+v", f)
	}
	closed := make(chan error, 1)
	go func() { closed <- p.Close() }()
	f := l.next(t)
	for !f.Over {
		f = l.next(t)
	}
	if !f.Report {
		t.Error("the end does not say that there is a report")
	}
	// The page waits for the browser that still holds its stream: the report can be had.
	if status, text := p.get(t, "/report", nil); status != 200 || text != "<p>the whole report" {
		t.Errorf("the report: %d %s", status, text)
	}
	select {
	case err := <-closed:
		t.Errorf("the page has not waited for its browser: %v", err)
	default:
	}
	l.body.Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(p.URL()); err == nil {
		t.Error("the page is still there")
	}
}

func TestAProofHasNoSingleReport(t *testing.T) {
	p := open(t, Config{})
	for _, side := range []string{"as-was", "hardened"} {
		p.Judged(&reports.Analysis{Run: runlog.Manifest{Profile: side}, Verdict: reports.Verdict{Outcome: reports.Fail, Headline: side + " it is"}}, t.TempDir(), nil)
	}
	if _, text := p.get(t, "/", nil); !strings.Contains(text, "as-was it is") || !strings.Contains(text, "hardened it is") {
		t.Errorf("not both verdicts: %s", text)
	}
	if status, _ := p.get(t, "/report", nil); status != http.StatusNotFound {
		t.Errorf("the report of one side: %d", status)
	}
}
