package process

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/httpapi"
)

// A registration is how far a process has come with announcing itself.
type registration struct {
	cfg   *service.Config
	roles []string

	mu   sync.Mutex
	said service.Announcement // guarded by mu
	err  error                // why the registry does not have it yet; guarded by mu
}

var errNotAnnounced = errors.New("not announced yet")

func newRegistration(cfg *service.Config, roles []string) *registration {
	return &registration{cfg: cfg, roles: roles, err: errNotAnnounced}
}

// announced is what the registry was told last.
func (r *registration) announced() service.Announcement {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said
}

// reason is why the process should get no traffic, "" when nothing is wrong: the balancer does not know it.
func (r *registration) reason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cfg.Registry.URL == "" || r.err == nil || r.cfg.Switches.Registry.Address == service.HostsFile {
		return "" // as was, nobody looked whether it had worked
	}
	return "registry: " + r.err.Error()
}

// run announces the process until the registry has taken it, or ctx ends.
func (r *registration) run(ctx context.Context, p *process, public, internal string) {
	if r.cfg.Registry.URL == "" {
		return
	}
	a := service.Announcement{
		Identity: r.cfg.Registry.Identity, Roles: r.roles, StartedMS: r.cfg.Clock.Now().UnixMilli(),
		Public: r.cfg.Announced(public), Internal: r.cfg.Announced(internal),
	}
	if r.cfg.Switches.Registry.Address == service.Self {
		a.Nonce = rand.Text()
	}
	for attempt := 1; ; attempt++ {
		r.mu.Lock()
		r.said = a
		r.mu.Unlock()
		err := httpapi.Announce(ctx, r.cfg.Registry.URL, a)
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
		if err == nil {
			p.log.Info("announced", "identity", a.Identity, "public", a.Public)
			return
		}
		p.log.Warn("announcing", "identity", a.Identity, "public", a.Public, "attempt", attempt, "error", err)
		if errors.Is(err, service.ErrIdentityTaken) {
			// A clone of another host. It is good for work all the same, under a name of its own.
			a.Identity = service.OwnIdentity(r.cfg.Registry.Identity, public)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(2*time.Second, time.Duration(attempt)*50*time.Millisecond)):
		}
	}
}
