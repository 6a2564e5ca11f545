package simulator

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// logged adds up what the latency log has of a tag.
func logged(t *testing.T, path, tag string) int64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reader := hdr.NewHistogramLogReader(bytes.NewReader(text))
	sum := int64(0)
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			return sum
		}
		if h.Tag() == tag {
			sum += h.TotalCount()
		}
	}
}

func TestLatenciesOfTheWarmUpAreThrownAwayAndItsBooksAreKept(t *testing.T) {
	s := smallScenario()
	s.Payments.Probes = 0
	const warm = 1200 * time.Millisecond
	g := newPlayground(t, s, func(c *Config) { c.Manifest.WarmUpNS = int64(warm) })
	service := newPaperService(t, g.ServiceSettings())
	defer service.close()
	if _, err := g.Play(t.Context(), service.target()); err != nil {
		t.Fatal(err)
	}
	n, sure := g.cfg.Plan.Header.Orders, 0
	for _, o := range g.cfg.Plan.Orders {
		// The first row that counts begins within a second after the warm-up; on a busy machine later.
		if o.Due >= warm {
			sure++
		}
	}
	if sure == n || sure == 0 {
		t.Fatalf("%d of %d orders are due after the warm-up: this shows nothing", sure, n)
	}
	got := logged(t, filepath.Join(g.dir, runlog.LatencyFile), SendCreate+"."+TimeResponse)
	if got == 0 || got >= int64(n) {
		t.Errorf("the log has %d creates of %d, of which %d are due after the warm-up", got, n, sure)
	}
	if books := g.records(t); len(books[runlog.BuyerAnswer]) != n {
		t.Errorf("%d answers are booked of %d orders", len(books[runlog.BuyerAnswer]), n)
	}
}

func TestCrowdIsTheSumOfAllStays(t *testing.T) {
	var c crowd
	for _, step := range []struct {
		at    time.Duration
		until int // how many were there until then
	}{{time.Second, 0}, {2 * time.Second, 1}, {4 * time.Second, 3}, {4 * time.Second, 2}, {10 * time.Second, 1}} {
		c.pass(step.at, step.until)
	}
	if math.Abs(c.sum-(1+6+6)) > 1e-9 || c.at != 10*time.Second {
		t.Errorf("%+v", c)
	}
}

func TestSendsUnderWayAreCountedByHeads(t *testing.T) {
	s := smallScenario()
	s.Payments.Probes = 0
	g := newPlayground(t, s, nil)
	service := newPaperService(t, g.ServiceSettings())
	defer service.close()
	if _, err := g.Play(t.Context(), service.target()); err != nil {
		t.Fatal(err)
	}
	// What all sends together stayed is what the histograms' response times add up to: Little's law over the whole run. The crowd counts
	// until a send's end is booked, so it is a little more.
	stay := 0.0
	for _, kind := range []string{SendCreate, SendPay, SendNotify, SendResult, SendHeartbeat, SendProbe} {
		if h := g.latency.Total(kind, TimeResponse); h != nil {
			stay += h.Mean() * float64(h.TotalCount()) / 1e9
		}
	}
	if crowd := g.timeline.Crowded(); stay <= 0 || crowd < 0.95*stay {
		t.Errorf("%v send-seconds by heads, %v by response times", crowd, stay)
	}
}
