package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The programs that gates are played with.
type programs struct {
	dir    string
	slower map[float64]string // the path of the program by how many times as long it takes to answer; 1 is lunchrush as it is
}

const module = "github.com/lunchrush/lunchrush"

// build builds lunchrush, and a slower one for each kind that wants it.
func build(ctx context.Context, kinds []kind) (_ *programs, err error) {
	dir, err := os.MkdirTemp("", "lunchrush-gates-")
	if err != nil {
		return nil, err
	}
	p := &programs{dir: dir, slower: map[float64]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.remove())
		}
	}()
	for _, k := range append([]kind{{slower: 1}}, kinds...) {
		if p.slower[k.slower] != "" {
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("times-%g", k.slower))
		args := []string{"build", "-trimpath", "-o", path}
		if k.slower != 1 {
			overlay, err := p.overlay(ctx, k.slower)
			if err != nil {
				return nil, err
			}
			args = append(args, "-overlay", overlay)
		}
		cmd := exec.CommandContext(ctx, "go", append(args, module+"/cmd/lunchrush")...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building lunchrush: %w: %s", err, strings.TrimSpace(string(out)))
		}
		p.slower[k.slower] = path
	}
	return p, nil
}

// overlay writes what `go build -overlay` takes for a service that is so many times slower, and returns its path.
func (p *programs) overlay(ctx context.Context, times float64) (string, error) {
	where, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", module+"/service/process").Output()
	if err != nil {
		return "", fmt.Errorf("finding the service's source: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(where)), "process.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	changed, err := slowed(string(text), times)
	if err != nil {
		return "", fmt.Errorf("%s: %w", source, err)
	}
	file := filepath.Join(p.dir, fmt.Sprintf("process-%g.go", times))
	if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: file}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(p.dir, fmt.Sprintf("overlay-%g.json", times))
	return overlay, os.WriteFile(overlay, list, 0o644)
}

// slowed changes the source that serves, so that what it serves takes so many times as long.
func slowed(source string, times float64) (string, error) {
	const imports, handlers = "import (\n", "servers[0].Handler, servers[1].Handler = p.api.Handlers()\n"
	for _, line := range []string{imports, handlers} {
		if n := strings.Count(source, line); n != 1 {
			return "", fmt.Errorf("%q is there %d times, wanted once: bench/gate makes the slower service by it", strings.TrimSpace(line), n)
		}
	}
	source = strings.Replace(source, imports, fmt.Sprintf("%s\t%q\n", imports, module+"/bench/gate/held"), 1)
	return strings.Replace(source, handlers, fmt.Sprintf(
		"%sfor i := range servers {\n\tservers[i].Handler = held.Back(%g, servers[i].Handler)\n}\n", handlers, times), 1), nil
}

func (p *programs) remove() error { return os.RemoveAll(p.dir) }
