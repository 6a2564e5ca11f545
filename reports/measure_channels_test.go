package reports

import (
	"math"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestAChannelsNotifiesAroundAFault(t *testing.T) {
	const second, ms = int64(1e9), int64(1e6)
	fault := Fault{Injected: true, FromNS: 100 * second, ToNS: 200 * second}
	// Two of a hundred take slow, so that the p99 is theirs; 400 before the fault, while it is on, and after.
	book := func(before, during int64) channelAnswers {
		c := make(channelAnswers)
		for phase, slow := range []int64{before, during, 60 * second} {
			for i := range int64(400) {
				took := 5 * ms
				if i%50 == 0 {
					took = slow
				}
				sent := (int64(phase)*100+10)*second + i*100*ms
				c.take(&runlog.Record{Event: runlog.NotifyAnswer, Channel: "wechat", At: sent + took, Took: took, Status: 200}, 10*second)
			}
		}
		c.take(&runlog.Record{Event: runlog.NotifyAnswer, Channel: "alipay", At: 10 * second, Took: 9 * second, Status: 200}, 10*second)
		return c
	}
	read := func(name string, e *evidence) (float64, int) {
		for _, g := range channelGauges("wechat", "WeChat's") {
			if g.Name == name {
				return g.read(e)
			}
		}
		t.Fatalf("no measure %s", name)
		return 0, 0
	}
	near := func(got, want float64) bool { return got > want*0.99-0.001 && got < want*1.01+0.001 }
	tests := []struct {
		name           string
		before, during int64
		moved          float64
	}{
		{"twice as long", 100 * ms, 200 * ms, 1},
		{"a tenth longer", 200 * ms, 220 * ms, 0.1},
		{"half of it again, and less than ten milliseconds", 10 * ms, 15 * ms, 0},
		{"shorter", 200 * ms, 100 * ms, -0.5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &evidence{faults: []Fault{fault}, answers: book(tt.before, tt.during)}
			for name, want := range map[string]float64{
				"wechat.notify.p99.before": float64(tt.before), "wechat.notify.p99.during": float64(tt.during), "wechat.notify.p99.moved": tt.moved,
			} {
				got, n := read(name, e)
				ok := near(got, want) || want < 0 && near(-got, -want)
				if n != 400 || !ok {
					t.Errorf("%s: %v of %d, want %v of 400", name, got, n, want)
				}
			}
			if _, n := read("wechat.notify.p99", e); n != 1200 {
				t.Errorf("the whole run has %d", n)
			}
		})
	}
	t.Run("one that was refused at once took as long as the channel waits", func(t *testing.T) {
		c := make(channelAnswers)
		for i := range 400 {
			r := runlog.Record{Event: runlog.NotifyAnswer, Channel: "wechat", At: int64(i) * ms, Took: ms, Status: 200}
			if i%5 == 0 {
				r.Status = 0
			}
			c.take(&r, 7*second)
		}
		if got, _ := read("wechat.notify.p90", &evidence{answers: c}); !near(got, 7e9) {
			t.Errorf("%v, want 7 s", got)
		}
	})
	t.Run("the 90th percentile is of all, the 99th of few", func(t *testing.T) {
		e := &evidence{faults: []Fault{fault}, answers: book(200*ms, 400*ms)}
		for name, want := range map[string]float64{"wechat.notify.p90.before": 5e6, "wechat.notify.p90.during": 5e6, "wechat.notify.p90.moved": 0} {
			if got, n := read(name, e); n != 400 || !near(got, want) {
				t.Errorf("%s: %v of %d, want %v of 400", name, got, n, want)
			}
		}
	})
	t.Run("without a fault there is no before", func(t *testing.T) {
		if _, n := read("wechat.notify.p99.moved", &evidence{answers: book(ms, ms)}); n != 0 {
			t.Errorf("%d samples", n)
		}
	})
	t.Run("a p99 of few is none", func(t *testing.T) {
		e := &evidence{faults: []Fault{fault}, answers: channelAnswers{"wechat": {{1, ms}, {150 * second, ms}}}}
		if v, n := read("wechat.notify.p99.moved", e); n != 1 || !math.IsNaN(v) {
			t.Errorf("%v of %d", v, n)
		}
	})
}
