package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/pprof"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
)

// profile records CPU from now on, and the heap when it is stopped.
func profile(prefix string) (stop func() error, err error) {
	cpu, err := os.Create(prefix + ".cpu")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, errors.Join(err, cpu.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		heap, err := os.Create(prefix + ".heap")
		if err != nil {
			return errors.Join(err, cpu.Close())
		}
		runtime.GC()
		return errors.Join(pprof.WriteHeapProfile(heap), heap.Close(), cpu.Close())
	}, nil
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
	stop, err := profile(profileOfService())
	if err != nil {
		return err
	}
	go func() { // while the machines still wait: afterwards there is nothing left to see
		<-ctx.Done()
	}()
	defer func() { err = errors.Join(err, stop()) }()
	return process.Serve(ctx, cfg, process.Roles(), stdout, stderr)
}
