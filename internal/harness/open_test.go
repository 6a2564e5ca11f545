package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

func TestTheLogOfAPartThatDidNotStartIsThereToBeRead(t *testing.T) {
	choice := need(t, testbed.Local, "mariadb")
	bin := t.TempDir()
	for name, text := range map[string]string{
		"mariadbd":           "exit 0",
		"mariadb-install-db": "echo 'ERROR: 1051  Unknown table'; echo 'Please report it'; exit 1",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := Open(t.Context(), Ground{Choice: choice, RunsDir: t.TempDir()})
	if err == nil {
		t.Fatal("started")
	}
	what, log, found := strings.Cut(err.Error(), "; see ")
	if !found || !strings.HasSuffix(what, "ERROR: 1051  Unknown table") {
		t.Fatalf("error %v", err)
	}
	if data, err := os.ReadFile(log); err != nil || !strings.Contains(string(data), "Please report it") {
		t.Errorf("the log %s: %q, %v", log, data, err)
	}
}
