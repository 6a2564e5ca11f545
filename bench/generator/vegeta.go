package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const vegetaModule = "github.com/tsenart/vegeta/v12"

// vegetaAttack is `vegeta attack` with the defaults of its flags, its results written to a file.
type vegetaAttack struct{ binary string }

// buildVegeta builds the version that this module is made with, from its source, by its own go.mod.
func buildVegeta(ctx context.Context, dir string) (sender, error) {
	source, _, err := output(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", vegetaModule))
	if err != nil {
		return nil, fmt.Errorf("finding vegeta's source: %w", err)
	}
	v := vegetaAttack{binary: filepath.Join(dir, "vegeta")}
	build := exec.CommandContext(ctx, "go", "build", "-C", strings.TrimSpace(string(source)), "-o", v.binary, ".")
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	if _, _, err := output(build); err != nil {
		return nil, fmt.Errorf("building vegeta: %w", err)
	}
	return v, nil
}

func (vegetaAttack) name() string { return "vegeta" }

func (v vegetaAttack) send(ctx context.Context, s shot) (c cost, err error) {
	results := filepath.Join(s.dir, "vegeta.bin")
	targets, err := v.targets(s)
	if err != nil {
		return c, err
	}
	cmd := exec.CommandContext(ctx, v.binary, "attack", "-format=json", "-targets="+targets, "-output="+results,
		fmt.Sprintf("-rate=%d/1s", s.rate), "-duration="+s.duration.String())
	if _, c.CPU, err = output(cmd); err != nil {
		return c, err
	}
	f, err := os.Open(results)
	if err != nil {
		return c, err
	}
	defer f.Close()
	decode := vegeta.NewDecoder(f)
	for {
		var r vegeta.Result
		if err := decode(&r); errors.Is(err, io.EOF) {
			return c, nil
		} else if err != nil {
			return c, fmt.Errorf("reading vegeta's results: %w", err)
		}
		c.Sent++
		if r.Code == http.StatusOK {
			c.OK++
		}
	}
}

// targets writes the sheet in vegeta's own form.
func (v vegetaAttack) targets(s shot) (path string, err error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	for i := range s.sheet.Notes {
		n := &s.sheet.Notes[i]
		if err := enc.Encode(vegeta.Target{Method: http.MethodPost, URL: s.url, Header: n.Header, Body: n.Body}); err != nil {
			return "", err
		}
	}
	path = filepath.Join(s.dir, "vegeta.json")
	return path, os.WriteFile(path, text.Bytes(), 0o600)
}
