package reports

import (
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestThePoolIsFullForItsLongestStretch(t *testing.T) {
	row := func(at int64, busy, limit int) runlog.Sample {
		return runlog.Sample{AtNS: at * second, Phase: "play", GateBusy: busy, GateLimit: limit}
	}
	tests := []struct {
		name    string
		samples []runlog.Sample
		want    float64
		n       int
	}{
		{"nobody told", []runlog.Sample{row(1, -1, 0), row(2, 0, 0)}, 0, 0},
		{"once only", []runlog.Sample{row(1, 3, 4), row(2, 4, 4), row(3, 3, 4)}, 0, 3},
		{"the longest counts", []runlog.Sample{row(1, 4, 4), row(2, 4, 4), row(3, 0, 4), row(4, 4, 4), row(5, 4, 4), row(6, 4, 4)}, 2e9, 6},
		{"a second without an answer is bridged", []runlog.Sample{row(1, 4, 4), row(2, -1, 0), row(3, 4, 4)}, 2e9, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, n := fullFor(tt.samples, workerPools[1]); got != tt.want || n != tt.n {
				t.Errorf("%v of %d, want %v of %d", got, n, tt.want, tt.n)
			}
		})
	}
}

func TestTheLongestLineBeforeFrontCountsWhereThereIsOne(t *testing.T) {
	samples := []runlog.Sample{{FrontWaiting: -1, FrontLimit: 0}, {FrontWaiting: 3, FrontLimit: 4}, {FrontWaiting: 17, FrontLimit: 4}, {FrontWaiting: 0, FrontLimit: 4}}
	if most, n := mostWaiting(samples); most != 17 || n != 3 {
		t.Errorf("%v of %d, want 17 of 3", most, n)
	}
	if _, n := mostWaiting(samples[:1]); n != 0 {
		t.Errorf("of %d, although nobody told", n)
	}
}

func TestTheLastKnownFigureCounts(t *testing.T) {
	failed := func(s *runlog.Sample) int { return s.BindsFailed }
	if v, n := lastKnown([]runlog.Sample{{BindsFailed: 3}, {BindsFailed: 5}, {BindsFailed: -1}}, failed); v != 5 || n != 1 {
		t.Errorf("%v of %d", v, n)
	}
	if _, n := lastKnown([]runlog.Sample{{BindsFailed: -1}}, failed); n != 0 {
		t.Errorf("of %d, although nobody told", n)
	}
}

func TestAnOrderThatTheServiceHoldsForUnpaid(t *testing.T) {
	tests := []struct {
		name, story string
		unknown     float64
	}{
		{"it is paid, and the service waits", "1 paid o1 350\n120 says o1 PAYING", 1},
		{"it is paid, and the service has closed it", "1 paid o1 350\n120 says o1 CLOSED", 1},
		{"the money went back", "1 paid o1 350\n9 refunded o1 350\n120 says o1 CLOSED", 0},
		{"the service knows of it", "1 paid o1 350\n120 says o1 DISPENSING 350 to1", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			before := byName(b.analyse().Measures)["paid_unknown"].Value
			b = wholeRun(t)
			b.tell(tt.story)
			b.end()
			if got := byName(b.analyse().Measures)["paid_unknown"]; !got.Known || got.Value-before != tt.unknown {
				t.Errorf("%+v, %v before; want %v more", got, before, tt.unknown)
			}
		})
	}
}

func TestBuyersWhoPaidAreBound(t *testing.T) {
	buyer := func(key string, right bool) runlog.Record {
		return runlog.Record{At: 120 * second, Event: runlog.ServiceBuyer, Key: key, Channel: "wechat", ID: "u" + key, OK: right}
	}
	tests := []struct {
		name   string
		buyers []runlog.Record
		told   bool
		known  bool
		want   float64
	}{
		{"all of them", []runlog.Record{buyer("ko1", true), buyer("ko2", true)}, true, true, 1},
		{"one of two", []runlog.Record{buyer("ko1", true)}, true, true, 0.5},
		{"one as somebody else", []runlog.Record{buyer("ko1", true), buyer("ko2", false)}, true, true, 0.5},
		{"none, since nobody looks them up", nil, true, true, 0},
		{"one of no order, who changes nothing", []runlog.Record{buyer("probe", true), buyer("", true), buyer("ko1", true), buyer("ko2", true)}, true, true, 1},
		{"one who did not pay", []runlog.Record{buyer("ko1", true), buyer("ko3", true)}, true, true, 0.5},
		{"the service does not tell of them", nil, false, false, 0},
	}
	t.Run("one whose second try was paid", func(t *testing.T) {
		b := wholeRun(t)
		b.manifest.Load.Tries = 2
		b.add(runlog.Record{At: second, Event: runlog.ChannelPaid, Order: "o1", Key: "ko1.2", Machine: "m1", Slot: 1, Channel: "wechat", ID: "to1", Fen: 350})
		b.add(runlog.Record{At: 120 * second, Event: runlog.ServiceOrder, Order: "o1", Key: "ko1.2", Note: "PAID", Fen: 350, Paid: 350, Txn: "to1"})
		b.add(buyer("ko1", true))
		b.end()
		b.records[len(b.records)-1].OK = true
		if m := byName(b.analyse().Measures)["bind.bound"]; !m.Known || m.Value != 1 {
			t.Errorf("%+v, want all bound", m)
		}
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			b.tell("1 paid o1 350\n2 paid o2 350\n120 says o1 PAID 350 to1\n120 says o2 PAID 350 to2\n120 says o3 CREATED")
			b.records = append(b.records, tt.buyers...)
			b.end()
			b.records[len(b.records)-1].OK = tt.told
			orders := b.analyse().Audit.Orders
			m := byName(b.analyse().Measures)["bind.bound"]
			if m.Known != tt.known || tt.known && m.Value != tt.want {
				t.Errorf("known %v, %v; want %v, %v", m.Known, m.Value, tt.known, tt.want)
			}
			if orders != 3 {
				t.Errorf("%d orders, want 3", orders)
			}
		})
	}
}
