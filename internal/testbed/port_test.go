package testbed_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// The database is a real one: what it says of a port that is taken is its own. The first time that it, or its replica, is
// started, somebody else has the port.
func TestADatabaseWhosePortWasTakenIsStartedOnAnother(t *testing.T) {
	c := require(t, testbed.Local, "mariadb", "redis")
	database, err := exec.LookPath("mariadbd")
	if err != nil {
		if database, err = exec.LookPath("/usr/sbin/mariadbd"); err != nil {
			t.Skip("the database is no mariadbd, whose words these are")
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := spec(t) // builds a program, with the real cache
	s.Replica = true
	bin := t.TempDir()
	script := fmt.Sprintf(`#!/bin/sh
[ "$1" = --version ] && exec %[1]s --version
seen=%[2]s/one
case "$*" in *--relay-log*) seen=%[2]s/two ;; esac
[ -e $seen ] && exec %[1]s "$@"
: > $seen
for arg; do
	shift
	case "$arg" in --port=*) arg=--port=%[3]s ;; esac
	set -- "$@" "$arg"
done
exec %[1]s "$@"
`, database, bin, port)
	if err := os.WriteFile(filepath.Join(bin, "mariadbd"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	stack, err := testbed.Start(t.Context(), c, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Reset(t.Context()); err != nil {
		t.Errorf("it does not work after all: %v", err)
	}
	if err := stack.Close(context.Background()); err != nil {
		t.Error(err)
	}
	for _, part := range []testbed.Part{testbed.PartMySQL, testbed.PartReplica} {
		log, err := os.ReadFile(filepath.Join(s.LogDir, string(part)+".log"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(log), "running on port: "+port) {
			t.Errorf("%s was never refused the port:\n%s", part, log)
		}
	}
}
