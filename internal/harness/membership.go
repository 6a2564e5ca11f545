package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/simulator/balancer"
)

// A newcomer says how an instance is set up. The zero value is one that the topology begins with.
type newcomer struct {
	added bool
	image *resident // whose server its own was cloned from; nil: it has one of its own
}

// hostsFile is what a server's hosts file says when it was set up by hand: itself.
func hostsFile(r resident) string {
	return "127.0.0.1 localhost\n" + r.place.host + " " + r.label + "\n"
}

// poolNames are the balancer's pools that an instance of a role is in. A pool for each channel: the one's slowness must not
// take the other's connections.
func (t *town) poolNames(role string) []string {
	switch role {
	case "front":
		return []string{"front", doorInternal}
	case "gate":
		return t.gatePools()
	case "notifier":
		return []string{"notifier"}
	}
	return nil
}

// backend is an instance in one of its pools.
func (t *town) backend(r *resident, pool string) balancer.Backend {
	b := balancer.Backend{Name: r.label, URL: "http://" + r.place.public, CheckURL: "http://" + r.place.internal + "/readyz", Weight: t.weight(r.label)}
	if pool == doorInternal {
		b.URL, b.Weight = "http://"+r.place.internal, 1
	}
	return b
}

func (t *town) weight(name string) int {
	if w, ok := t.settings.Weights[name]; ok {
		return w
	}
	return 1
}

// balance puts the balancer before the started processes and returns when all of them have passed their check.
func (t *town) balance(ctx context.Context) (*balancer.Balancer, error) {
	gates := t.gatePools()
	pools := make(map[string]*balancer.Pool)
	var list []balancer.Pool
	for _, role := range behindBalancer {
		for _, name := range t.poolNames(role) {
			p := balancer.Pool{Name: name}
			if slices.Contains(gates, name) {
				p.MaxConns = t.gateConnections()
			}
			for _, i := range t.all(role) {
				p.Backends = append(p.Backends, t.backend(&i.resident, name))
			}
			pools[name] = &p
			list = append(list, p)
		}
	}
	b, err := balancer.New(balancer.Config{
		Listeners: []balancer.Listener{
			{Name: doorPublic, Pool: "front"},
			{Name: doorPolls, Pool: "notifier"},
			{Name: doorWeChat, Pool: gates[0]},
			{Name: doorAlipay, Pool: gates[len(gates)-1]},
			{Name: doorInternal},
		},
		Pools: list, Check: balancer.Check{Interval: t.settings.Check}, SlowStart: balancer.SlowStart{Window: t.settings.SlowStart}, NoRedial: !t.settings.Redial,
	})
	if err != nil {
		return nil, err
	}
	readyCtx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := b.Ready(readyCtx); err != nil {
		return nil, errors.Join(fmt.Errorf("the balancer's backends: %w", err), b.Close(readyCtx))
	}
	return b, nil
}

// join is told by the registry of an instance that has announced itself. Those that the topology begins with are with the
// balancer already; one that was added is put there by this alone, under the address that it says.
func (t *town) join(m balancer.Member, again bool) error {
	t.mu.Lock()
	r, b := t.places[m.Public], t.balancer
	t.mu.Unlock()
	switch {
	case r == nil || !slices.Contains(m.Roles, r.role):
		return fmt.Errorf("no %v lives at %s", m.Roles, m.Public)
	case b == nil || again:
		return nil
	}
	for _, pool := range t.poolNames(r.role) {
		if err := b.Put(pool, t.backend(r, pool)); err != nil {
			return err
		}
	}
	if len(t.poolNames(r.role)) == 0 {
		return nil
	}
	return b.Renew(r.label) // another process than before: a slow start, however short the pause was
}

// role is what adds instances of one role while the run goes on.
func (t *town) role(role string) *chaos.Role {
	var added []*instance
	return &chaos.Role{
		Add: func(ctx context.Context, cloned bool) (chaos.Process, error) {
			list := t.all(role)
			how := newcomer{added: true}
			if cloned {
				how.image = &list[0].resident
			}
			i, err := t.startInstance(ctx, role, len(list)+1, how)
			if err != nil {
				return nil, err
			}
			added = append(added, i)
			t.turn()
			return i.part, nil
		},
		Remove: func(ctx context.Context) error {
			i := added[len(added)-1]
			added = added[:len(added)-1]
			t.leave(i)
			t.turn()
			var errs []error
			for _, pool := range t.poolNames(role) {
				if slices.ContainsFunc(t.balancer.Shares(), func(s balancer.Share) bool { return s.Pool == pool && s.Backend == i.label && s.In }) {
					errs = append(errs, t.balancer.Remove(pool, i.label))
				}
			}
			return errors.Join(append(errs, i.Stop(ctx))...)
		},
	}
}

// leave lets an instance be one that is no longer meant to have traffic.
func (t *town) leave(i *instance) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i.gone = true
}

// warmth is an instance's warm-up, which is felt between the balancer and the instance. The harness's own questions do not
// meet it.
func (t *town) warmth(i *instance) *chaos.Warmth {
	pools := slices.DeleteFunc(t.poolNames(i.role), func(p string) bool { return p == doorInternal })
	return &chaos.Warmth{
		Chill: func(by time.Duration, requests, cores int) error {
			if len(pools) == 0 {
				return fmt.Errorf("nothing comes to %s over the balancer", i.label)
			}
			return t.balancer.Chill(i.label, balancer.Cold{Cost: by, Requests: requests, Lanes: cores}, pools...)
		},
		Warm: func() { t.balancer.Warm(i.label) },
		Ask: func(ctx context.Context) error {
			if len(pools) == 0 {
				return fmt.Errorf("nothing comes to %s over the balancer", i.label)
			}
			if err := t.balancer.Pass(ctx, pools[0], i.label); err != nil {
				return err
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.place.internal+"/healthz", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			return resp.Body.Close()
		},
	}
}
