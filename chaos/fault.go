package chaos

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// A Fault breaks one thing in one way.
type Fault interface {
	// Inject breaks the target, which has the surface that the fault's kind is on. The heal it returns undoes exactly
	// that; it takes its own context because it must still run after the run's is canceled, and is called once.
	Inject(ctx context.Context, t *Target) (heal func(context.Context) error, err error)

	// Felt measures the fault from outside while it is injected.
	Felt(ctx context.Context, t *Target) (Evidence, error)

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
	On      Surface           // what a target must offer
	What    string            // what it imitates
	Params  map[string]string // accepted parameters and their defaults; "" means it must be given
	Example string            // a line of a scenario
	make    func(params) (Fault, error)
}

// Kinds lists every fault there is, by what it is on.
func Kinds() []Kind {
	return []Kind{
		latencyKind, bandwidthKind, slicerKind, slowCloseKind, holdKind, blackHoleKind, resetKind, downKind,
		killKind, pauseKind, restartKind,
		limitCPUKind, limitMemoryKind,
		clockSkewKind,
		connectionsKind, tableLockKind, rowLockKind, deadlockKind, readOnlyKind,
		replicaDelayKind,
		flushKind, evictKind, stallKind,
		outageKind,
		errorsKind, delaysKind, failFirstKind, hangKind,
		coldStartKind, addKind,
	}
}

func kindOf(inject string) (Kind, error) {
	var names []string
	for _, k := range Kinds() {
		if k.Name == inject {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Kind{}, mistake("inject", "no such fault: %q; there are %s", inject, strings.Join(names, ", "))
}

// SurfaceOf is what a kind of fault is on, "" if there is no such kind.
func SurfaceOf(inject string) Surface {
	k, err := kindOf(inject)
	if err != nil {
		return ""
	}
	return k.On
}

// New makes a fault from a scenario's words. The error is a [*Mistake] and names what is accepted. A fault is injected
// once; make another one for another time.
func New(inject string, given map[string]string) (Fault, error) {
	k, err := kindOf(inject)
	if err != nil {
		return nil, err
	}
	p := make(params, len(k.Params))
	maps.Copy(p, k.Params)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := k.Params[name]; !ok {
			accepted := strings.Join(slices.Sorted(maps.Keys(k.Params)), ", ")
			if accepted == "" {
				accepted = "none"
			}
			return nil, mistake(name, "no such parameter of %s; accepted: %s", inject, accepted)
		}
		p[name] = given[name]
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name] == "" {
			return nil, mistake(name, "%s needs it; for example %s", inject, k.Example)
		}
	}
	return k.make(p)
}
