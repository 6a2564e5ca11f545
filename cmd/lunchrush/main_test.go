package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// binaryDir holds the program that sessions run in processes of their own. It is removed with the last test.
var binaryDir string

// cleaned runs the tests and removes what they share.
type cleaned struct{ *testing.M }

func (c cleaned) Run() int {
	var err error
	if binaryDir, err = os.MkdirTemp("", "lunchrush-test-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(binaryDir)
	return c.M.Run()
}

func TestMain(m *testing.M) {
	testscript.Main(cleaned{m}, map[string]func(){
		"lunchrush": func() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// Sessions of the command line that need no database; those that do are in session_test.go.
func TestSessions(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}
