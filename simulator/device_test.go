package simulator

import (
	"container/heap"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A bench is a device on a clock that is turned by hand.
type bench struct {
	*device
	clock   time.Duration
	agenda  benchAgenda
	acts    int
	booked  []runlog.Record
	results []string // "command outcome"
}

type benchAct struct {
	at  time.Duration
	seq int
	act func()
}

type benchAgenda []benchAct

func (a benchAgenda) Len() int { return len(a) }
func (a benchAgenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a benchAgenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *benchAgenda) Push(x any)   { *a = append(*a, x.(benchAct)) }
func (a *benchAgenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// newBench stands up a machine of two slots; the order ids are the plan's keys.
func newBench(stock int32, orders ...PlanOrder) *bench {
	b := &bench{}
	st := &stage{
		plan: planOf(orders...), logger: slog.New(slog.DiscardHandler), orders: newDirectory(planOf(orders...)),
		now:  func() time.Duration { return b.clock },
		book: func(r runlog.Record) { b.booked = append(b.booked, r) },
		after: func(at time.Duration, act func()) {
			b.acts++
			heap.Push(&b.agenda, benchAct{at, b.acts, act})
		},
	}
	for _, o := range orders {
		st.orders.bind(o.Key, o.Key)
	}
	b.device = &device{
		name: "m00001", st: st, stock: []int32{stock, stock},
		tell: func(id, _, outcome string) { b.results = append(b.results, id+" "+outcome) },
	}
	return b
}

// pass turns the clock on.
func (b *bench) pass(d time.Duration) {
	until := b.clock + d
	for len(b.agenda) > 0 && b.agenda[0].at <= until {
		a := heap.Pop(&b.agenda).(benchAct)
		b.clock = max(b.clock, a.at)
		a.act()
	}
	b.clock = until
}

func (b *bench) get(kind, id, order string, ttl time.Duration) {
	c := command{ID: id, Order: order, Kind: kind, Slot: 1}
	if ttl >= 0 {
		ms := ttl.Milliseconds()
		c.TTLMS = &ms
	}
	b.receive(c)
}

func (b *bench) drops(id string) int {
	n := 0
	for _, r := range b.booked {
		if r.Event == runlog.MachineDropped && r.ID == id {
			n++
		}
	}
	return n
}

func (b *bench) refusals() []string {
	var out []string
	for _, r := range b.booked {
		if r.Event == runlog.MachineRefused {
			out = append(out, r.ID+" "+r.Note)
		}
	}
	return out
}

func TestDevice(t *testing.T) {
	const takes = 4 * time.Second
	order := func(key, device string) PlanOrder {
		return PlanOrder{Key: key, Device: device, Takes: takes, Again: -1}
	}
	good, other := order("o1", DeviceDispenses), order("o2", DeviceDispenses)
	tests := []struct {
		name     string
		stock    int32
		orders   []PlanOrder
		do       func(b *bench)
		drops    []string // ids, one for each drop
		results  []string
		refusals []string
	}{
		{
			name: "goods fall after the plan's time, and the result follows", stock: 1, orders: []PlanOrder{good},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.pass(takes - 1)
				if len(b.results) > 0 {
					b.results = append(b.results, "too early")
				}
				b.pass(1)
			},
			drops: []string{"c1"}, results: []string{"c1 dispensed"},
		},
		{
			name: "a machine that fails drops nothing and says so", stock: 1, orders: []PlanOrder{order("o1", DeviceFails)},
			do:      func(b *bench) { b.get("dispense", "c1", "o1", time.Minute) },
			results: []string{"c1 failed"},
		},
		{
			name: "an empty slot drops nothing and says so", stock: 0, orders: []PlanOrder{good},
			do:      func(b *bench) { b.get("dispense", "c1", "o1", time.Minute) },
			results: []string{"c1 failed"},
		},
		{
			name: "a lost result is not sent", stock: 1, orders: []PlanOrder{order("o1", DeviceLostResult)},
			do:    func(b *bench) { b.get("dispense", "c1", "o1", time.Minute) },
			drops: []string{"c1"},
		},
		{
			name: "the same command while it runs changes nothing", stock: 9, orders: []PlanOrder{good},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.pass(time.Second)
				b.get("dispense", "c1", "o1", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"c1 dispensed"}, refusals: []string{"c1 duplicate"},
		},
		{
			name: "the same command afterwards repeats the result", stock: 9, orders: []PlanOrder{good},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.pass(time.Minute)
				b.get("dispense", "c1", "o1", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"c1 dispensed", "c1 dispensed"}, refusals: []string{"c1 duplicate"},
		},
		{
			name: "the same command after a lost result tells it after all", stock: 9, orders: []PlanOrder{order("o1", DeviceLostResult)},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.pass(time.Minute)
				b.get("dispense", "c1", "o1", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"c1 dispensed"}, refusals: []string{"c1 duplicate"},
		},
		{
			name: "the machine remembers its last command and none before it", stock: 9, orders: []PlanOrder{good, other},
			do: func(b *bench) {
				for _, id := range []string{"c1", "c2", "c1"} {
					b.get("dispense", id, "o1", time.Minute)
					b.pass(time.Minute)
				}
			},
			drops: []string{"c1", "c2", "c1"}, results: []string{"c1 dispensed", "c2 dispensed", "c1 dispensed"},
		},
		{
			name: "a second command for the order drops a second time", stock: 9, orders: []PlanOrder{good},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.get("dispense", "c2", "o1", time.Minute)
			},
			drops: []string{"c1", "c2"}, results: []string{"c1 dispensed", "c2 dispensed"},
		},
		{
			name: "an order that nobody planned is dispensed", stock: 1,
			do:    func(b *bench) { b.get("dispense", "c1", "who", time.Minute) },
			drops: []string{"c1"}, results: []string{"c1 dispensed"},
		},
		{
			name: "a command that comes expired is not started", stock: 1, orders: []PlanOrder{good},
			do:      func(b *bench) { b.get("dispense", "c1", "o1", 0) },
			results: []string{"c1 expired"}, refusals: []string{"c1 expired"},
		},
		{
			name: "a command that expires while another runs is not started", stock: 9, orders: []PlanOrder{good, other},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.get("dispense", "c2", "o2", takes)
			},
			drops: []string{"c1"}, results: []string{"c1 dispensed", "c2 expired"}, refusals: []string{"c2 expired"},
		},
		{
			name: "a command that has started ends whatever its ttl", stock: 9, orders: []PlanOrder{good},
			do:    func(b *bench) { b.get("dispense", "c1", "o1", time.Second) },
			drops: []string{"c1"}, results: []string{"c1 dispensed"},
		},
		{
			name: "a command without ttl never expires", stock: 9, orders: []PlanOrder{good, other},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.get("dispense", "c2", "o2", -1)
			},
			drops: []string{"c1", "c2"}, results: []string{"c1 dispensed", "c2 dispensed"},
		},
		{
			name: "a cancel in time", stock: 9, orders: []PlanOrder{good, other},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.get("dispense", "c2", "o2", time.Minute)
				b.get("cancel", "x", "o2", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"x cancelled", "c1 dispensed"}, refusals: []string{"c2 cancelled"},
		},
		{
			name: "a cancel in time by the command's own id", stock: 9, orders: []PlanOrder{good, other},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.get("dispense", "c2", "o2", time.Minute)
				b.get("cancel", "c2", "o2", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"c2 cancelled", "c1 dispensed"}, refusals: []string{"c2 cancelled"},
		},
		{
			name: "a cancel that overtakes its command", stock: 9, orders: []PlanOrder{good},
			do: func(b *bench) {
				b.get("cancel", "x", "o1", time.Minute)
				b.get("dispense", "c1", "o1", time.Minute)
			},
			results: []string{"x cancelled", "c1 cancelled"}, refusals: []string{"c1 cancelled"},
		},
		{
			name: "a cancel while the goods fall waits for what happens", stock: 9, orders: []PlanOrder{good},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.pass(time.Second)
				b.get("cancel", "x", "o1", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"c1 dispensed", "x dispensed"},
		},
		{
			name: "a cancel while the goods fall, by the command's own id, is answered once", stock: 9, orders: []PlanOrder{good},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.get("cancel", "c1", "o1", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"c1 dispensed"},
		},
		{
			name: "a cancel after a lost result tells it", stock: 9, orders: []PlanOrder{order("o1", DeviceLostResult)},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.pass(time.Minute)
				b.get("cancel", "x", "o1", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"x dispensed"},
		},
		{
			name: "a cancel by the command's own id while a result is being lost tells it", stock: 9, orders: []PlanOrder{order("o1", DeviceLostResult)},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.get("cancel", "c1", "o1", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"c1 dispensed"},
		},
		{
			name: "goods that fell outweigh a later command that failed", stock: 1, orders: []PlanOrder{good},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.get("dispense", "c2", "o1", time.Minute)
				b.pass(time.Minute)
				b.get("cancel", "x", "o1", time.Minute)
			},
			drops: []string{"c1"}, results: []string{"c1 dispensed", "c2 failed", "x dispensed"},
		},
		{
			name: "a cancel of what failed", stock: 9, orders: []PlanOrder{order("o1", DeviceFails)},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.pass(time.Minute)
				b.get("cancel", "x", "o1", time.Minute)
				b.get("cancel", "x", "o1", time.Minute)
			},
			results: []string{"c1 failed", "x failed", "x failed"},
		},
		{
			name: "a cancel of an order long gone is still answered with what happened", stock: 9, orders: []PlanOrder{good, other},
			do: func(b *bench) {
				b.get("dispense", "c1", "o1", time.Minute)
				b.get("dispense", "c2", "o2", time.Minute)
				b.pass(time.Minute)
				b.get("cancel", "x", "o1", time.Minute)
			},
			drops: []string{"c1", "c2"}, results: []string{"c1 dispensed", "c2 dispensed", "x dispensed"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(tt.stock, tt.orders...)
			tt.do(b)
			b.pass(time.Hour)
			var drops []string
			for _, r := range b.booked {
				if r.Event == runlog.MachineDropped {
					drops = append(drops, r.ID)
				}
			}
			if !slices.Equal(drops, tt.drops) {
				t.Errorf("dropped %q, want %q", drops, tt.drops)
			}
			if !slices.Equal(b.results, tt.results) {
				t.Errorf("results %q, want %q", b.results, tt.results)
			}
			if got := b.refusals(); !slices.Equal(got, tt.refusals) {
				t.Errorf("refusals %q, want %q", got, tt.refusals)
			}
		})
	}
}

func TestHeartbeatTellsTheLastOutcome(t *testing.T) {
	b := newBench(1, PlanOrder{Key: "o1", Device: DeviceLostResult, Takes: time.Second})
	if got, want := b.pulse(), (pulse{State: "IDLE"}); got != want {
		t.Errorf("at first %+v", got)
	}
	b.get("dispense", "c1", "o1", time.Minute)
	if got, want := b.pulse(), (pulse{State: "DISPENSING"}); got != want {
		t.Errorf("meanwhile %+v", got)
	}
	b.pass(time.Minute)
	if got, want := b.pulse(), (pulse{"c1", "o1", "IDLE", outcomeDispensed}); got != want {
		t.Errorf("afterwards %+v, want %+v", got, want)
	}
}

// A service that goes by the protocol may send the last command, or one that is not over, as often as it likes, and
// cancels whenever it likes: each command drops at most once, in the order of arrival, nothing that was promised to stay
// up falls, and what is told is what happened.
func TestDeviceUnderRepeatedCommands(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const orders = 6
		var plan []PlanOrder
		for i := range orders {
			plan = append(plan, PlanOrder{
				Key:    fmt.Sprintf("o%d", i),
				Device: rapid.SampledFrom([]string{DeviceDispenses, DeviceFails, DeviceLostResult}).Draw(rt, "device"),
				Takes:  time.Duration(rapid.IntRange(0, 5).Draw(rt, "takes")) * time.Second,
			})
		}
		b := newBench(int32(rapid.IntRange(0, orders).Draw(rt, "stock")), plan...)
		began := int(b.stock[0])
		promised := map[string]int{} // order -> drops when a cancel was answered with cancelled
		next := 0
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			told := len(b.results)
			switch rapid.SampledFrom([]string{"new", "again", "cancel", "pass", "pass"}).Draw(rt, "step") {
			case "new":
				if next < orders {
					ttl := time.Duration(rapid.IntRange(0, 20).Draw(rt, "ttl")) * time.Second
					b.get("dispense", fmt.Sprintf("c%d", next), fmt.Sprintf("o%d", next), ttl)
					next++
				}
			case "again":
				known := slices.Clone(b.waiting)
				if b.running != nil {
					known = append(known, b.running)
				}
				if b.last != nil {
					known = append(known, b.last)
				}
				if len(known) > 0 {
					v := known[rapid.IntRange(0, len(known)-1).Draw(rt, "which")]
					b.get("dispense", v.id, v.order, time.Minute)
				}
			case "cancel":
				i := rapid.IntRange(0, orders-1).Draw(rt, "order")
				own := rapid.Bool().Draw(rt, "own id")
				id := fmt.Sprintf("c%d", i)
				if !own {
					id = "x" + id
				}
				b.get("cancel", id, fmt.Sprintf("o%d", i), time.Minute)
				if len(b.results) > told && b.results[len(b.results)-1] == id+" "+outcomeCancelled {
					promised[fmt.Sprintf("c%d", i)] = b.drops(fmt.Sprintf("c%d", i))
				}
			case "pass":
				b.pass(time.Duration(rapid.IntRange(0, 10_000).Draw(rt, "ms")) * time.Millisecond)
			}
		}
		b.pass(time.Hour)
		total := 0
		for i := range orders {
			id := fmt.Sprintf("c%d", i)
			n := b.drops(id)
			total += n
			if n > 1 {
				rt.Fatalf("%s dropped %d times", id, n)
			}
			if _, ok := promised[id]; ok && n > 0 {
				rt.Fatalf("%s dropped although it was cancelled", id)
			}
			told := slices.Contains(b.results, id+" "+outcomeDispensed) || slices.Contains(b.results, "x"+id+" "+outcomeDispensed)
			if told && n == 0 {
				rt.Fatalf("%s is told as dispensed and never fell", id)
			}
			for _, not := range []string{outcomeFailed, outcomeExpired, outcomeCancelled} {
				if n > 0 && (slices.Contains(b.results, id+" "+not) || slices.Contains(b.results, "x"+id+" "+not)) {
					rt.Fatalf("%s fell and is told as %s", id, not)
				}
			}
			if n > 0 && !told && plan[i].Device != DeviceLostResult {
				rt.Fatalf("%s fell and is not told", id)
			}
		}
		if total+int(b.stock[0]) != began {
			rt.Fatalf("%d fell, %d left of %d", total, b.stock[0], began)
		}
		if b.running != nil || len(b.waiting) > 0 {
			rt.Fatal("a command never ended")
		}
	})
}
