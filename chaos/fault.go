package chaos

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Fault breaks one thing in one way.
type Fault interface {
	// Inject breaks the link. The heal it returns undoes exactly that; it takes its own context because it must still
	// run after the run's is canceled, and may be called once.
	Inject(ctx context.Context, l *Link) (heal func(context.Context) error, err error)

	// Felt measures the fault from outside while it is injected.
	Felt(ctx context.Context, l *Link) (Evidence, error)

	// String names the fault as a report should: "latency 200ms±50ms".
	String() string
}

// Evidence is what was measured of a fault.
type Evidence struct {
	Felt bool
	Text string // "latency 203ms, wanted 200ms±50ms"
}

// A Kind is a fault as an author of scenarios sees it.
type Kind struct {
	Name    string            // the value of inject:
	What    string            // what it imitates
	Params  map[string]string // accepted parameters and their defaults; "" means it must be given
	Example string            // a line of a scenario
	make    func(params) (Fault, error)
}

// Kinds lists every fault there is.
func Kinds() []Kind {
	return []Kind{latencyKind, holdKind, blackHoleKind, resetKind, downKind}
}

// New makes a fault from a scenario's words. Errors name what is accepted.
func New(inject string, given map[string]string) (Fault, error) {
	kinds := Kinds()
	at := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == inject })
	if at < 0 {
		var names []string
		for _, k := range kinds {
			names = append(names, k.Name)
		}
		return nil, fmt.Errorf("inject: no such fault: %q; there are %s", inject, strings.Join(names, ", "))
	}
	k := kinds[at]
	p := make(params, len(k.Params))
	maps.Copy(p, k.Params)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := k.Params[name]; !ok {
			accepted := strings.Join(slices.Sorted(maps.Keys(k.Params)), ", ")
			if accepted == "" {
				accepted = "none"
			}
			return nil, fmt.Errorf("%s: no such parameter of %s; accepted: %s", name, inject, accepted)
		}
		p[name] = given[name]
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name] == "" {
			return nil, fmt.Errorf("%s: %s needs it; for example %s", name, inject, k.Example)
		}
	}
	return k.make(p)
}

// params are a fault's parameters as written, every accepted one filled in.
type params map[string]string

func (p params) duration(name string) (time.Duration, error) {
	d, err := time.ParseDuration(p[name])
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s: %q is no duration like 200ms", name, p[name])
	}
	return d, nil
}
