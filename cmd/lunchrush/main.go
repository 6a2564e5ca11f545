// Command lunchrush replays documented production failures against a payment service, shows the collapse and the cure,
// and accounts for every order and every fen. See README.md, and `lunchrush --help`.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

func main() {
	// What the driver would write to stderr it returns as an error too; a connection that a fault or a reset has closed is no news.
	if err := mysql.SetLogger(&mysql.NopLogger{}); err != nil {
		panic(err) // it only minds nil
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it: tests call it. It returns the exit code.
//
// The first SIGINT, SIGTERM or SIGHUP cancels the work, which then stops what it started and writes what it has; a second
// one ends the process at once. The kernel ends its child processes then (Linux); containers stay until the next start of a
// testbed or `testbed clean`. A SIGINT or SIGHUP that whoever started it has set to be ignored, as nohup does, stays ignored.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	heeded := []os.Signal{syscall.SIGTERM}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			heeded = append(heeded, s)
		}
	}
	ctx, release := signal.NotifyContext(ctx, heeded...)
	defer release()
	context.AfterFunc(ctx, release)

	t := newTerminal(stdin, stdout, stderr)
	root := newRoot(t)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitPass
	}
	code := exitCode(ctx, err)
	var quiet *verdictError
	if !errors.As(err, &quiet) {
		t.fail(err)
	}
	return code
}
