package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
)

// profileAfter is when a profile begins: about when ten thousand machines have come and calmed down.
const profileAfter = 45 * time.Second

// profile records CPU from profileAfter on, and the heap when it is stopped.
func profile(ctx context.Context, prefix string) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- record(ctx, prefix) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func record(ctx context.Context, prefix string) (err error) {
	select {
	case <-time.After(profileAfter):
	case <-ctx.Done():
		return nil
	}
	cpu, err := os.Create(prefix + ".cpu")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	<-ctx.Done()
	pprof.StopCPUProfile()
	heap, err := os.Create(prefix + ".heap")
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(heap), heap.Close())
}

// serve is `lunchrush serve --config -` under the profilers.
func serve(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	text, err := io.ReadAll(stdin)
	if err != nil {
		return err
	}
	cfg, err := service.ParseConfig(text)
	if err != nil {
		return err
	}
	stop := profile(ctx, profileOfService())
	defer func() { err = errors.Join(err, stop()) }()
	return process.Serve(ctx, cfg, process.Roles(), stdout, stderr)
}
