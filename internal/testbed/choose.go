package testbed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Auto lets [Choose] take the first testbed that can do what is needed.
const Auto = "auto"

// offers are the needs that a testbed can meet; a scenario's needs are listed in docs/AUTHORING.md.
var offers = map[string][]string{
	Containers: {"containers", "innodb", "redis", "replica"},
	Local:      {"innodb", "redis", "replica"},
	Embedded:   {},
}

// A probe says why a testbed cannot be used here, nil if it can, and what its user can do about it.
type probe struct {
	name string
	look func(ctx context.Context) error
	hint string

	// auto is a further question that only auto asks, nil if there is none: a caller who names the testbed may bring what
	// is missing, and is told by Start otherwise.
	auto func() error
}

func probes() []probe {
	return []probe{
		{
			name: Containers, look: probeContainers, auto: staticSelf,
			hint: "start a container engine and build the images with `make images`",
		},
		{
			name: Local, look: func(context.Context) error { _, err := findPrograms(); return err },
			hint: "install MariaDB and Redis (Debian: apt-get install mariadb-server-core mariadb-client-core redis-server)",
		},
		{
			name: Embedded, look: probeEmbedded,
			hint: "install Go 1.26 or newer; the engine is built from source on first use",
		},
	}
}

// Choose decides where a run is to take place. want is "auto", "containers", "local" or "embedded"; needs are a scenario's,
// such as "innodb". A testbed that was asked for by name and cannot be had is an error that says what to do, never
// another testbed.
func Choose(ctx context.Context, want string, needs []string) (Choice, error) {
	return choose(ctx, want, needs, probes())
}

func choose(ctx context.Context, want string, needs []string, all []probe) (Choice, error) {
	if want == "" {
		want = Auto
	}
	var names, why, hints []string
	for _, p := range all {
		names = append(names, p.name)
		if want != Auto && want != p.name {
			continue
		}
		reason := Unmet(p.name, needs)
		hint := ""
		if reason == nil {
			reason, hint = p.look(ctx), p.hint
		}
		if reason == nil && want == Auto && p.auto != nil {
			reason = p.auto()
		}
		if reason == nil {
			return Choice{Name: p.name, Why: why}, nil
		}
		if err := ctx.Err(); err != nil {
			return Choice{}, err
		}
		why = append(why, fmt.Sprintf("%s: %v", p.name, reason))
		if hint != "" {
			hints = append(hints, hint)
		}
	}
	switch {
	case want == Auto:
		err := fmt.Errorf("no testbed can be used: %s", strings.Join(why, "; "))
		if len(hints) > 0 {
			err = fmt.Errorf("%w; to get one: %s", err, strings.Join(hints, ", or "))
		}
		return Choice{}, err
	case len(why) == 0:
		return Choice{}, fmt.Errorf("testbed %q: no such testbed; want one of %s, %s", want, Auto, strings.Join(names, ", "))
	case len(hints) > 0:
		return Choice{}, fmt.Errorf("testbed %s; %s", why[0], hints[0])
	}
	return Choice{}, fmt.Errorf("testbed %s", why[0])
}

// Unmet names the needs that a testbed cannot meet however well it is installed; nil when there is none.
func Unmet(name string, needs []string) error {
	var missing []string
	for _, need := range needs {
		if !slices.Contains(offers[name], need) {
			missing = append(missing, need)
		}
	}
	if missing == nil {
		return nil
	}
	err := fmt.Errorf("does not have %s", strings.Join(missing, ", "))
	var others []string
	for _, other := range []string{Containers, Local, Embedded} {
		if !slices.ContainsFunc(needs, func(n string) bool { return !slices.Contains(offers[other], n) }) {
			others = append(others, other)
		}
	}
	if others != nil {
		err = fmt.Errorf("%w, which needs %s", err, strings.Join(others, " or "))
	}
	return err
}

// Start starts the chosen testbed: both Redis and an empty database, no service yet. ctx bounds the start only. What an
// earlier, killed run left is swept first.
func Start(ctx context.Context, c Choice, spec Spec) (Stack, error) {
	if !validName(spec.RunID) {
		return nil, fmt.Errorf("run id %q: made of [a-z0-9-], at most 40", spec.RunID)
	}
	if spec.LogDir == "" {
		return nil, errors.New("testbed: no folder for the logs")
	}
	if spec.Replica {
		if err := Unmet(c.Name, []string{"replica"}); err != nil {
			return nil, fmt.Errorf("testbed %s: %w", c.Name, err)
		}
	}
	// What cannot be swept is in nobody's way here; `lunchrush testbed clean` reports it.
	_, _ = Clean(ctx)
	switch c.Name {
	case Containers:
		return startContainers(ctx, spec)
	case Local:
		return startLocal(ctx, spec)
	case Embedded:
		return startEmbedded(ctx, spec)
	}
	return nil, fmt.Errorf("testbed %q: no such testbed; want one of %s, %s, %s", c.Name, Containers, Local, Embedded)
}
