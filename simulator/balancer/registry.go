package balancer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Member is an instance as it announces itself.
type Member struct {
	Identity string   `json:"identity"` // its host's name
	Roles    []string `json:"roles"`
	Public   string   `json:"public"`   // host:port
	Internal string   `json:"internal"` // host:port

	// StartedMS is when its process began, Unix milliseconds: another one means that it was started again.
	StartedMS int64 `json:"started_ms"`

	// Nonce, when it is given, asks for a check: the registry calls /internal/identity at Internal, and takes only a member
	// that answers with its identity and this nonce. Without it the announcement is believed.
	Nonce string `json:"nonce,omitempty"`
}

// The codes of a registry's refusals.
const (
	CodeUnreachable = "UNREACHABLE"        // nobody, or somebody else, answers where the member says it is; 422
	CodeDuplicate   = "DUPLICATE_IDENTITY" // another one, which lives, has this identity; 409
)

const (
	registryBodyMax    = 8 << 10
	registryAskTimeout = 2 * time.Second
)

// A Registry is where instances announce themselves, on a loopback port of its own: POST /v1/instances with a [Member],
// answered 204. Close must be called.
//
// It is as credulous as its callers ask it to be. A member without a nonce is taken at its word, as the registries of the
// account were; one with a nonce is called back first, and a second bearer of a living member's identity is refused.
type Registry struct {
	join   func(m Member, again bool) error
	logger *slog.Logger
	server *http.Server
	url    string
	client *http.Client
	over   chan struct{}

	mu      sync.Mutex
	members map[string]Member // by identity; guarded by mu
}

// NewRegistry opens a registry. join is called for each member that is taken; again says that the same process had
// announced the same before. Its error refuses the member.
func NewRegistry(join func(m Member, again bool) error, logger *slog.Logger) (*Registry, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	r := &Registry{
		join: join, logger: logger, url: "http://" + l.Addr().String(), over: make(chan struct{}), members: map[string]Member{},
		client: &http.Client{
			Timeout: registryAskTimeout, Transport: &http.Transport{DialContext: dialLoopback, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/instances", r.announce)
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug)}
	go func() {
		defer close(r.over)
		_ = r.server.Serve(l) // until Close
	}()
	return r, nil
}

// URL is the base URL, http://127.0.0.1:port.
func (r *Registry) URL() string { return r.url }

// Close ends it.
func (r *Registry) Close() error {
	err := r.server.Close()
	<-r.over
	return err
}

func (r *Registry) announce(w http.ResponseWriter, req *http.Request) {
	var m Member
	if err := json.NewDecoder(io.LimitReader(req.Body, registryBodyMax)).Decode(&m); err != nil {
		refuse(w, http.StatusBadRequest, "MALFORMED", err.Error())
		return
	}
	if err := m.validate(); err != nil {
		refuse(w, http.StatusBadRequest, "MALFORMED", err.Error())
		return
	}
	r.mu.Lock()
	before, known := r.members[m.Identity]
	r.mu.Unlock()
	if m.Nonce != "" {
		if err := r.ask(req.Context(), m); err != nil {
			r.logger.Warn("refused", "member", m.Identity, "public", m.Public, "reason", err)
			refuse(w, http.StatusUnprocessableEntity, CodeUnreachable, err.Error())
			return
		}
		if known && before.Internal != m.Internal && r.ask(req.Context(), Member{Identity: m.Identity, Internal: before.Internal}) == nil {
			r.logger.Warn("refused", "member", m.Identity, "public", m.Public, "reason", "the identity is taken", "by", before.Public)
			refuse(w, http.StatusConflict, CodeDuplicate, fmt.Sprintf("%s is at %s and answers there", m.Identity, before.Public))
			return
		}
	}
	again := known && before.Public == m.Public && before.Internal == m.Internal && before.StartedMS == m.StartedMS
	if err := r.join(m, again); err != nil {
		refuse(w, http.StatusUnprocessableEntity, "NOT_TAKEN", err.Error())
		return
	}
	r.mu.Lock()
	r.members[m.Identity] = m
	r.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (m Member) validate() error {
	if m.Identity == "" || len(m.Identity) > 100 || len(m.Roles) == 0 {
		return errors.New("identity and roles are needed")
	}
	return errors.Join(loopbackAddress(m.Public), loopbackAddress(m.Internal))
}

// ask calls a member where it says that it is, and wants its identity back, with the nonce if it gave one.
func (r *Registry) ask(ctx context.Context, m Member) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.Internal+"/internal/identity", nil)
	if err != nil {
		return err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var told struct{ Identity, Nonce string }
	if err := json.NewDecoder(io.LimitReader(res.Body, registryBodyMax)).Decode(&told); err != nil {
		return fmt.Errorf("%s answered %d and no identity", m.Internal, res.StatusCode)
	}
	if told.Identity != m.Identity || m.Nonce != "" && told.Nonce != m.Nonce {
		return fmt.Errorf("at %s is %q, and not the process that announced itself", m.Internal, told.Identity)
	}
	return nil
}
