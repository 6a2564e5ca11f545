package reports

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"
)

const ms = int64(1e6)

// rush is a bid as full-bid-oversell has it, sold by a service that makes no mistake and keeps a ledger: a buyer each
// millisecond, hundreds at once, more wanted than there is, 3 % of the purchases fail and give their units back.
func rush(units, buyers int) []deal {
	rng := rand.New(rand.NewPCG(1, 2))
	type moment struct {
		at    int64
		buyer int
		back  bool
	}
	deals := make([]deal, buyers)
	moments := make([]moment, buyers)
	for i := range deals {
		d := &deals[i]
		d.units = 1000
		switch n := rng.IntN(100); {
		case n >= 98:
			d.units = 20_000
		case n >= 85:
			d.units = 3000
		}
		d.from = int64(i) * ms
		moments[i] = moment{d.from + ms/10 + rng.Int64N(200*ms), i, false} // some wait for the row
	}
	left, seq := units, int64(0)
	for len(moments) > 0 { // in the order of time
		i := 0
		for j := range moments {
			if moments[j].at < moments[i].at {
				i = j
			}
		}
		m := moments[i]
		moments = slices.Delete(moments, i, i+1)
		d := &deals[m.buyer]
		answer := m.at + ms/10 + rng.Int64N(30*ms)
		switch {
		case m.back:
			seq++
			left, d.returnedSeq, d.till = left+d.units, seq, answer+150*ms // long enough for others to buy what came back
		case left < d.units:
			d.status, d.note, d.till = 409, "SOLD_OUT", answer
		default:
			seq++
			left, d.takenSeq = left-d.units, seq
			d.status, d.state, d.till = 201, "BOUGHT", answer+100*ms
			if rng.IntN(100) < 3 {
				d.status, d.note, d.state = 402, "RISK", "RETURNED"
				moments = append(moments, moment{m.at + 20*ms + rng.Int64N(200*ms), m.buyer, true})
			}
		}
	}
	return deals
}

func TestTheOrderOfARushIsChecked(t *testing.T) {
	const units, buyers = 10_000_000, 10_000
	tests := []struct {
		name   string
		units  int
		change func([]deal) []deal
		want   string
	}{
		{"as it was", units, func(d []deal) []deal { return d }, historyOK},
		{"one unit fewer than was sold", units - 1, func(d []deal) []deal { return d }, historyIllegal},
		{
			"someone turned away before anything was sold", units,
			func(d []deal) []deal {
				return append(d, deal{units: 1000, from: 0, till: 1, status: 409, note: "SOLD_OUT"})
			}, historyIllegal,
		},
		{
			"one unit left, and one buyer of one turned away after all the others", units + 1,
			func(d []deal) []deal {
				return append(d, deal{units: 1, from: 1 << 40, till: 1<<40 + 1, status: 409, note: "SOLD_OUT"})
			}, historyIllegal,
		},
		{
			"buyers of whose purchase nobody knows", units,
			func(d []deal) []deal {
				for i := 7; i < len(d); i += 50 {
					d[i].status, d[i].note = 0, ""
				}
				return d
			}, historyOK,
		},
	}
	deals := rush(units, buyers)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := bidOf(tt.units, tt.change(slices.Clone(deals))...); got.History != tt.want {
				t.Errorf("%s, wanted %s; of the whole: %+v", got.History, tt.want, got)
			}
		})
	}
}

func TestALargeLedgerThatIsNotInTheOrderOfEventsIsNotUsed(t *testing.T) {
	deals := rush(10_000_000, 10_000)
	if _, told := inLedgerOrder(10_000_000, bookOf(10_000_000, deals...).acts(asTheBookSays)); !told {
		t.Fatal("the true one is not used")
	}
	deals[100].takenSeq, deals[2000].takenSeq = deals[2000].takenSeq, deals[100].takenSeq // two seconds later
	if _, told := inLedgerOrder(10_000_000, bookOf(10_000_000, deals...).acts(asTheBookSays)); told {
		t.Error("two purchases are in each other's place, and nobody saw it")
	}
}

// A ledger is believed in nothing: what it says about is looked at without it.
func TestALedgerThatLiesIsNoEvidence(t *testing.T) {
	tests := []struct {
		name  string
		units int
		deals []deal
		told  bool // the ledger's order has a place for everyone
		want  string
	}{
		{
			"the ledger is right", 10,
			[]deal{
				{10, 1, 20, 402, "RISK", "RETURNED", 1, 2}, {10, 2, 19, 201, "", "BOUGHT", 3, 0}, {1, 3, 18, 409, "SOLD_OUT", "", 0, 0},
			},
			true, historyOK,
		},
		{
			"it has them in an order in which they cannot have been", 10,
			[]deal{{5, 1, 2, 201, "", "BOUGHT", 2, 0}, {5, 3, 4, 201, "", "BOUGHT", 1, 0}, {1, 5, 6, 409, "SOLD_OUT", "", 0, 0}},
			false, historyOK,
		},
		{
			"it has two of them at once, which may be in either order", 10,
			[]deal{{5, 1, 9, 201, "", "BOUGHT", 1, 0}, {5, 2, 9, 201, "", "BOUGHT", 1, 0}},
			true, historyOK,
		},
		{
			"it lacks one", 10,
			[]deal{{5, 1, 9, 201, "", "BOUGHT", 1, 0}, {5, 2, 9, 201, "", "BOUGHT", 0, 0}},
			false, historyOK,
		},
		{
			"by it more is gone than there is", 10,
			[]deal{{10, 1, 20, 402, "RISK", "RETURNED", 1, 3}, {10, 2, 19, 201, "", "BOUGHT", 2, 0}},
			true, historyOK,
		},
		{
			"by it what came back was gone before, and so it was not refused for nothing", 10,
			[]deal{
				{10, 1, 10, 402, "RISK", "RETURNED", 1, 2},
				{10, 11, 20, 201, "", "BOUGHT", 3, 0},
				{5, 21, 22, 409, "SOLD_OUT", "", 0, 0},
				{10, 2, 9, 0, "", "RETURNED", 4, 5},
			},
			true, historyOK,
		},
		{
			"a refusal that nothing explains", 10,
			[]deal{
				{10, 1, 10, 402, "RISK", "RETURNED", 1, 2},
				{6, 11, 30, 201, "", "BOUGHT", 3, 0},
				{4, 12, 30, 402, "RISK", "RETURNED", 4, 5},
				{9, 31, 32, 201, "", "BOUGHT", 6, 0},
			},
			true, historyIllegal,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := bookOf(tt.units, tt.deals...)
			if _, told := inLedgerOrder(tt.units, b.acts(asTheBookSays)); told != tt.told {
				t.Errorf("an order by the ledger: %v, wanted %v", told, tt.told)
			}
			if got := b.result(); got.History != tt.want {
				t.Errorf("%s, wanted %s", got.History, tt.want)
			}
		})
	}
}

// actsOf draws what a service does to an item in some order, without mistake, and intervals around each moment.
func actsOf(t *rapid.T) (stock int, acts []stockAct) {
	stock = rapid.IntRange(1, 8).Draw(t, "stock")
	left, seq := stock, int64(0)
	var held []int
	n := rapid.IntRange(1, 9).Draw(t, "acts")
	for at := int64(0); at < int64(n); at++ {
		a := stockAct{from: 10*at - rapid.Int64Range(0, 60).Draw(t, "asked before"), till: 10*at + rapid.Int64Range(0, 60).Draw(t, "answered after")}
		if rapid.Bool().Draw(t, "returns") && len(held) > 0 {
			a.stockStep = stockStep{held[0], stepReturn}
			held = held[1:]
			left += a.units
		} else if a.units = rapid.IntRange(1, 5).Draw(t, "units"); a.units > left {
			a.kind = stepRefuse
		} else if a.kind = stepTake; rapid.Bool().Draw(t, "fails") {
			a.kind = stepHold
			held = append(held, a.units)
		}
		if a.kind == stepTake || a.kind == stepHold {
			left -= a.units
		}
		if a.kind != stepRefuse {
			seq++
			a.seq = seq
		}
		acts = append(acts, a)
	}
	return stock, acts
}

func TestWhatHappenedInTheLedgersOrderIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stock, acts := actsOf(t)
		acts = rapid.Permutation(acts).Draw(t, "told in this order")
		order, told := inLedgerOrder(stock, acts)
		if !told || search(stock, order) != porcupine.Ok {
			t.Fatalf("of %+v: %v %+v", acts, told, order)
		}
	})
}

// Whatever the ledger says: an order by it is a legal order of the acts as they were, which porcupine finds without it.
func TestAnOrderByTheLedgerIsALegalOne(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		stock, acts := actsOf(t)
		for i := range acts { // no longer what happened
			a := &acts[i]
			a.units = max(1, a.units+rapid.IntRange(-1, 1).Draw(t, "units more"))
			a.from += rapid.Int64Range(0, min(30, a.till-a.from)).Draw(t, "asked later")
			if a.kind != stepRefuse {
				a.seq = rapid.Int64Range(1, 30).Draw(t, "seq")
			}
		}
		order, told := inLedgerOrder(stock, acts)
		if !told || search(stock, order) != porcupine.Ok {
			return
		}
		found++
		if search(stock, acts) != porcupine.Ok {
			t.Fatalf("%+v is no order of %+v", order, acts)
		}
	})
	if found == 0 {
		t.Error("no order was found at all")
	}
}

func TestAHistoryThatIsNotCheckedDoesNotPass(t *testing.T) {
	for history, want := range map[string]string{historyOK: passed, historyIllegal: failed, historyNotChecked: unknown} {
		e := &evidence{whole: true, bid: &BidAudit{Units: 10, Asked: 3, History: history}}
		for _, g := range bidGauges {
			if g.Name != "bid.illegal" {
				continue
			}
			v, n := g.read(e)
			m := Measure{Name: g.Name, Samples: n, Known: n > 0 && !math.IsNaN(v)}
			if m.Known {
				m.Value = v
			}
			bidMore[g.Name](e, &m)
			got := check(g.Name, "== 0", map[string]Measure{g.Name: m}, nil)
			if got.Status != want || (want == unknown) != (got.Note == "not checked: the search for an order of events did not end within 3s") {
				t.Errorf("%s: %+v", history, got)
			}
		}
	}
}
