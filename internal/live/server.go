package live

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/reports"
)

// Limits of the page's server. Ours: what a browser and a Prometheus need, and little more.
const (
	bodyMost      = 16 << 10
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 10 * time.Second // of each answer, and of each event of a stream
	idleTimeout   = time.Minute
)

// policy forbids the page whatever it does not bring itself.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// A session is the cookie of a browser that knows the token. Cookies know no ports: each page of a host has a name of its own for it.
type session struct{ name, value string }

func (p *Page) newServer() *http.Server {
	session := session{name: "lunchrush-ui-" + rand.Text(), value: rand.Text()}
	mux := http.NewServeMux()
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /{$}": p.page, "GET /events": p.events, "GET /report": p.servedReport,
		"POST /pause": p.acted(p.pause), "POST /resume": p.acted(p.resume), "POST /stop": p.acted(p.stop),
		"POST /inject": p.acted(p.inject), "POST /heal": p.acted(p.heal),
		"GET /metrics": promhttp.HandlerFor(p.registry(), promhttp.HandlerOpts{MaxRequestsInFlight: 4}).ServeHTTP,
	} {
		mux.Handle(pattern, p.admitted(session, handle))
	}
	mux.HandleFunc("GET /live.css", asset("text/css; charset=utf-8", []byte(reports.Style()+"\n"+liveCSS)))
	mux.HandleFunc("GET /live.js", asset("text/javascript; charset=utf-8", []byte(liveJS)))
	mux.HandleFunc("POST /enter", func(w http.ResponseWriter, r *http.Request) { p.enter(session, w, r) })
	return &http.Server{
		Handler: p.guarded(mux), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0), // a browser that hangs up is no news
	}
}

// guarded is what every answer has in common, and what no request gets past.
func (p *Page) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // with "no-referrer" a browser sends the token's form with the origin "null"
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // a connection of ours has one
		switch {
		case !p.door.named(r.Host):
			http.Error(w, "this page answers to an IP address or to localhost, not to "+r.Host, http.StatusMisdirectedRequest)
		case foreign(r):
			http.Error(w, "another site asked for this", http.StatusForbidden)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, bodyMost)
			next.ServeHTTP(w, r)
		}
	})
}

// foreign reports whether a browser says that another site made the request, unless somebody followed a link to here.
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if site == "" || site == "same-origin" || site == "none" {
		return false
	}
	return r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// admitted asks for the token where there is one: a browser brings the cookie that it got for it, a Prometheus the token itself.
func (p *Page) admitted(session session, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.door.asks || p.brought(session, r) {
			next(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="lunchrush"`)
		if r.URL.Path == "/" {
			p.askToken(w, "")
			return
		}
		http.Error(w, "the token is wanted: in the form at /, or as Authorization: Bearer", http.StatusUnauthorized)
	})
}

func (p *Page) brought(session session, r *http.Request) bool {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return p.door.knows(token)
	}
	c, err := r.Cookie(session.name)
	return err == nil && subtle.ConstantTimeCompare([]byte(c.Value), []byte(session.value)) == 1
}

// enter takes the token from the form.
func (p *Page) enter(session session, w http.ResponseWriter, r *http.Request) {
	if err := ownOrigin(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	if !p.door.knows(r.PostFormValue("token")) {
		p.askToken(w, "That is not the token.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: session.name, Value: session.value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// ownOrigin refuses what no page of this one sent. A browser always tells the origin of a POST.
func ownOrigin(r *http.Request) error {
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || origin.Scheme != "http" || origin.Host == "" || origin.Host != r.Host {
		return errors.New("acts are taken from this page only")
	}
	return nil
}

// acted is an act by a form of this page. What it returns is told to whoever did it.
func (p *Page) acted(act func(r *http.Request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := ownOrigin(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form can not be read: "+err.Error(), http.StatusBadRequest)
			return
		}
		if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("act")), []byte(p.act)) != 1 {
			http.Error(w, "the form is of another run's page: load it again", http.StatusForbidden)
			return
		}
		said, err := act(r)
		if err != nil {
			var mistake *chaos.Mistake
			status := http.StatusConflict
			if errors.As(err, &mistake) {
				status = http.StatusBadRequest
			}
			http.Error(w, err.Error(), status)
			return
		}
		p.mu.Lock()
		p.poke()
		p.mu.Unlock()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, said)
	}
}

var errNoRun = errors.New("there is no run at the moment")

// steered is the run, unless nothing may be done to it.
func (p *Page) steered() (Run, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.show == nil || p.over:
		return nil, errNoRun
	case p.cfg.Only:
		return nil, errors.New("this run is only watched")
	}
	return p.show.run, nil
}

func (p *Page) pause(*http.Request) (string, error) {
	run, err := p.steered()
	if err != nil {
		return "", err
	}
	return "held: no more of the plan leaves, what is under way goes on", run.Pause()
}

func (p *Page) resume(*http.Request) (string, error) {
	run, err := p.steered()
	if err != nil {
		return "", err
	}
	return "the plan goes on", run.Resume()
}

func (p *Page) stop(*http.Request) (string, error) {
	if p.cfg.Only || p.cfg.Stop == nil {
		return "", errors.New("this run is only watched")
	}
	p.cfg.Stop()
	return "stopping: what can be collected is, then the report is written", nil
}

// inject reads the fault form: inject, on, for, and each parameter as p.NAME.
func (p *Page) inject(r *http.Request) (string, error) {
	run, err := p.steered()
	if err != nil {
		return "", err
	}
	long, err := time.ParseDuration(strings.TrimSpace(r.PostForm.Get("for")))
	if err != nil {
		return "", &chaos.Mistake{Field: "for", What: fmt.Sprintf("%q is no duration like 20s", r.PostForm.Get("for"))}
	}
	params := map[string]string{}
	for field, values := range r.PostForm {
		if name, ok := strings.CutPrefix(field, "p."); ok && strings.TrimSpace(values[0]) != "" {
			params[name] = strings.TrimSpace(values[0])
		}
	}
	id, err := run.Inject(r.PostForm.Get("on"), r.PostForm.Get("inject"), params, long)
	if err != nil {
		return "", err
	}
	return "asked for: " + id, nil
}

func (p *Page) heal(r *http.Request) (string, error) {
	run, err := p.steered()
	if err != nil {
		return "", err
	}
	return "healing", run.Heal(r.PostForm.Get("id"))
}

// servedReport is the run's report once it is over.
func (p *Page) servedReport(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	dir := p.report()
	p.mu.Unlock()
	if dir == "" {
		http.Error(w, "there is no report yet", http.StatusNotFound)
		return
	}
	text, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		http.Error(w, "the report can not be read", http.StatusInternalServerError)
		return
	}
	// It has a policy of its own, by the hashes of what is in it.
	w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(text) // to a browser that may be gone
}

func asset(kind string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(content)
	}
}
