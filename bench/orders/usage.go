package main

import (
	"context"
	"syscall"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// A usage is the CPU time of everyone who takes part.
type usage map[string]time.Duration

// The parts of a usage, as the table has them.
const (
	partService = "service"
	partMariaDB = "MariaDB"
	partRedis   = "Redis"
	partSelf    = "client" // this process: buyers, machines and channels on one side, the bare loop on the other
)

func (t *town) usage(ctx context.Context) usage {
	u := usage{partSelf: ownCPU()}
	for _, p := range []struct {
		name string
		part testbed.Instance
	}{
		{partService, t.running},
		{partMariaDB, t.stack.Part(testbed.PartMySQL)},
		{partRedis, t.stack.Part(testbed.PartCache)},
		{partRedis, t.stack.Part(testbed.PartQueue)},
	} {
		if used, err := p.part.Usage(ctx); err == nil {
			u[p.name] += used.CPU
		}
	}
	return u
}

func ownCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func (u usage) since(before usage) usage {
	spent := usage{}
	for name, cpu := range u {
		spent[name] = cpu - before[name]
	}
	return spent
}

func (u usage) add(more usage) {
	for name, cpu := range more {
		u[name] += cpu
	}
}
