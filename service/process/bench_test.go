package process_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// Polls that wait: what one costs in memory, its client included.
func BenchmarkIdlePolls(b *testing.B) {
	town := servicetest.Start(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	const n = 2000
	for i := range n {
		m := town.AddMachine("p"+strconv.Itoa(i), 1)
		group.Go(func() { m.Poll(ctx, time.Minute) })
	}
	servicetest.Eventually(b, time.Minute, "all wait", func() bool { return town.Metric("lunchrush_polls_waiting") == n })
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		runtime.Gosched()
	}
	b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/n, "B/poll")
	cancel()
	group.Wait()
}
