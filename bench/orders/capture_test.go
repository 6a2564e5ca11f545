package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// TestMain makes the test binary the service that the testbed starts, as run does for the program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestTheListIsWhatTheServiceSends(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := testbed.Choose(ctx, testbed.Local, nil); err != nil {
		for _, word := range strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ",") {
			if word == "mariadb" || word == "redis" {
				t.Fatal(err)
			}
		}
		t.Skip(err)
	}
	town, err := openTown(ctx, filepath.Join(t.TempDir(), "cpu"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := town.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := town.checkLife(ctx); err != nil {
		t.Error(err)
	}
}

func TestShape(t *testing.T) {
	tests := []struct{ name, sql, want string }{
		{"text", `SELECT a FROM t WHERE b = 'x'`, `SELECT a FROM t WHERE b = ?`},
		{"text with quotes and backslashes in it", `SET a = 'it''s \'so\' \\', b = 'c'`, `SET a = ?, b = ?`},
		{"numbers", `SET a = a + 1, b = -2.5`, `SET a = a + ?, b = -?`},
		{"NULL", `VALUES (1, NULL, 'NULL')`, `VALUES (?, ?, ?)`},
		{"names with digits", `SELECT t1.a2 FROM t1`, `SELECT t1.a2 FROM t1`},
		{"line breaks", "SELECT a\n\t\tFROM  t", `SELECT a FROM t`},
		{"what is not filled in yet", `WHERE a IN (?, ?)`, `WHERE a IN (?, ?)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := shape(test.sql); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestDiffer(t *testing.T) {
	listed := shapes(slices.Concat(created, settled)...)
	backward := slices.Clone(listed)
	slices.Reverse(backward)
	if err := differ(backward, listed); err != nil {
		t.Errorf("in another order: %v", err)
	}
	if err := differ(listed[1:], listed); err == nil || !strings.Contains(err.Error(), "the service does not send (1 times): "+listed[0]) {
		t.Errorf("one that is not sent: %v", err)
	}
	more := append(slices.Clone(listed), "SELECT ?")
	if err := differ(more, listed); err == nil || !strings.Contains(err.Error(), "does not list (1 times): SELECT ?") {
		t.Errorf("one that is not listed: %v", err)
	}
	twice := append(slices.Clone(listed), listed[2])
	if err := differ(twice, listed); err == nil {
		t.Error("one that is sent twice is not seen")
	}
}
