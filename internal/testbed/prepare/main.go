// Command prepare builds the embedded database engine into the user's cache, ahead of the first run that needs it:
//
//	go run ./internal/testbed/prepare
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	path, err := testbed.BuildEngine(ctx, func(message string) { fmt.Println(message) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "embedded engine:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}
