package reports

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// BidAudit is the account of a bid that many wanted at once, in units. What was sold is what the service's own book says.
type BidAudit struct {
	Units           int `json:"units"`
	Sold            int `json:"sold"`
	Oversold        int `json:"oversold"`          // sold beyond the units
	Unsold          int `json:"unsold"`            // units that nobody has
	Asked           int `json:"asked"`             // purchases
	Bought          int `json:"bought"`            // answered as bought
	TurnedAway      int `json:"turned_away"`       // answered as sold out, closed or busy
	Busy            int `json:"busy"`              // of them: answered as busy, which says nothing of what is left
	Shed            int `json:"shed"`              // told in the end that the service is overloaded, which says nothing of the bid
	TurnedAwayEarly int `json:"turned_away_early"` // turned away while what they asked for was certainly free, those who were told busy too

	// Lost are shares that the buyer was told of and of which the service's book has nothing or less; Phantom are those of which it
	// has more, or that it has though the buyer was told no or never asked. Where no answer came neither is known.
	Lost    int `json:"lost"`
	Phantom int `json:"phantom"`

	History string `json:"history"` // what porcupine says of the order of events: "ok", "illegal", "not checked"
}

// A purchase is one buyer's, by his own book.
type purchase struct {
	asked      bool // false: only the service's book has it
	units      int
	from, till int64 // from the send to the answer; till math.MaxInt64 without one
	outcome    purchaseOutcome

	// By the service's book: the units that are his by all its rows, the state, and the places among the takes and returns of the
	// bid, 0 when that does not tell.
	held                  int
	state                 string
	takenSeq, returnedSeq int64
}

type purchaseOutcome uint8

const (
	purchaseOpen       purchaseOutcome = iota // nobody knows: no answer, or one that says nothing
	purchaseBought                            // he has the share
	purchaseFailed                            // units were taken, and given back
	purchaseTurnedAway                        // no units were taken
	purchaseBusy                              // turned away as well; units may have been taken, and were given back
	purchaseShed                              // nor were any; he was told nothing of the bid
)

// A bidBook is the purchases of a run.
type bidBook struct {
	units  int
	keys   map[string]int
	bought []purchase
}

// bidCodes are the answers that mean that the bid had nothing for the buyer: what the protocol has beside 402 and codeBusy.
var bidCodes = []string{"SOLD_OUT", "CLOSED"}

// stateBought is what the service's book says of a share that the buyer has.
const stateBought = "BOUGHT"

const (
	codeBusy       = "BUSY"       // the answer of a service that could not sell what may well be there
	codeOverloaded = "OVERLOADED" // the answer of a service that looked at nothing
)

// turnedAway reports whether the buyer went without a share and was told so, for whatever reason that is no fault of his.
func (o purchaseOutcome) turnedAway() bool { return o == purchaseTurnedAway || o == purchaseBusy }

func (b *bidBook) of(key string) *purchase {
	if b.keys == nil {
		b.keys = make(map[string]int)
	}
	i, known := b.keys[key]
	if !known {
		i = len(b.bought)
		b.keys[strings.Clone(key)] = i
		b.bought = append(b.bought, purchase{till: math.MaxInt64})
	}
	return &b.bought[i]
}

// take enters one record of a call of the bid.
func (b *bidBook) take(r *runlog.Record) {
	if r.Channel != "bid" {
		return
	}
	switch r.Event {
	case runlog.CallIntent:
		p := b.of(r.Key)
		if p.outcome != purchaseOpen || p.from == 0 {
			p.from = r.At // of several tries the last one counts, with those before it of which nobody knows what they did
		}
		p.asked, p.units, p.till, p.outcome = true, r.N, math.MaxInt64, purchaseOpen
	case runlog.CallAnswer:
		p := b.of(r.Key)
		switch {
		case r.Status/100 == 2:
			p.outcome, p.till = purchaseBought, r.At
		case r.Status == 402:
			p.outcome, p.till = purchaseFailed, r.At
		case slices.Contains(bidCodes, r.Note):
			p.outcome, p.till = purchaseTurnedAway, r.At
		case r.Note == codeBusy:
			p.outcome, p.till = purchaseBusy, r.At
		case r.Note == codeOverloaded:
			p.outcome, p.till = purchaseShed, r.At
		}
	case runlog.ServiceCall:
		if r.Key == "" {
			b.units += r.N
			return
		}
		p := b.of(r.Key)
		if r.Note == stateBought {
			p.held += r.N
		}
		if p.state != stateBought { // a second row must not hide the first
			p.state, p.takenSeq, p.returnedSeq = strings.Clone(r.Note), r.TakenSeq, r.ReturnedSeq
		}
	default:
	}
}

// result judges the book; nil when the run had no bid.
func (b *bidBook) result() *BidAudit {
	if len(b.bought) == 0 {
		return nil
	}
	res := &BidAudit{Units: b.units}
	for i := range b.bought {
		p := &b.bought[i]
		res.Sold += p.held
		if !p.asked {
			if p.held > 0 {
				res.Phantom++
			}
			continue
		}
		res.Asked++
		switch p.outcome {
		case purchaseBought:
			res.Bought++
			switch {
			case p.held < p.units:
				res.Lost++
			case p.held > p.units:
				res.Phantom++
			}
		case purchaseTurnedAway, purchaseBusy, purchaseShed, purchaseFailed:
			switch p.outcome {
			case purchaseTurnedAway:
				res.TurnedAway++
			case purchaseBusy:
				res.TurnedAway++
				res.Busy++
			case purchaseShed:
				res.Shed++
			default:
			}
			if p.held > 0 {
				res.Phantom++
			}
		case purchaseOpen:
		}
	}
	res.Oversold, res.Unsold = max(0, res.Sold-res.Units), max(0, res.Units-res.Sold)
	free := newFreeUnits(b)
	for i := range b.bought {
		p := &b.bought[i]
		wanted := p.units
		if p.outcome == purchaseBusy {
			wanted = 0 // while he waited his own units may have been his, and are no more among the free ones
		}
		if p.outcome.turnedAway() && free.least(p.from, p.till) >= wanted {
			res.TurnedAwayEarly++
		}
	}
	res.History = b.history(res)
	return res
}

// freeUnits tells how many units were certainly free at each moment: all that a buyer may have, from the moment at which he
// asked on, are not. It errs on the service's side.
type freeUnits struct {
	at   []int64
	most [][]int // most[k][i] is what was least free over 2^k steps from i on
}

func newFreeUnits(b *bidBook) *freeUnits {
	type step struct {
		at    int64
		units int
	}
	told := slices.ContainsFunc(b.bought, func(p purchase) bool { return p.state != "" })
	var steps []step
	for i := range b.bought {
		switch p := &b.bought[i]; p.outcome {
		case purchaseOpen:
			if p.state == "" && told {
				continue // by the service's own book he never had any
			}
			steps = append(steps, step{p.from, -p.units})
		case purchaseBought:
			steps = append(steps, step{p.from, -p.units})
		case purchaseFailed, purchaseBusy:
			steps = append(steps, step{p.from, -p.units}, step{p.till, p.units})
		case purchaseTurnedAway, purchaseShed:
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	f := &freeUnits{at: make([]int64, len(steps)+1)}
	row := make([]int, len(steps)+1)
	f.at[0], row[0] = math.MinInt64, b.units
	for i, s := range steps {
		f.at[i+1], row[i+1] = s.at, row[i]+s.units
	}
	f.most = [][]int{row}
	for width := 1; 2*width <= len(row); width *= 2 {
		last := f.most[len(f.most)-1]
		next := make([]int, len(row)-2*width+1)
		for i := range next {
			next[i] = min(last[i], last[i+width])
		}
		f.most = append(f.most, next)
	}
	return f
}

// least is the fewest units that were free at any moment from one to the other.
func (f *freeUnits) least(from, till int64) int {
	first := sort.Search(len(f.at), func(i int) bool { return f.at[i] > from }) - 1 // the step in force at from
	last := sort.Search(len(f.at), func(i int) bool { return f.at[i] > till }) - 1
	k := 0
	for 2<<k <= last-first+1 {
		k++
	}
	return min(f.most[k][first], f.most[k][last-(1<<k)+1])
}

// bidGauge is a measure of the bid; runs without one have no samples.
func bidGauge(name, doc string, of func(*BidAudit) int) gauge {
	return gauge{MeasureDoc{"bid." + name, "", doc}, func(e *evidence) (float64, int) {
		if e.bid == nil || !e.whole || e.bid.Units == 0 {
			return never, 0
		}
		return float64(of(e.bid)), e.bid.Asked
	}}
}

var bidGauges = []gauge{
	bidGauge("sold", "units of the bid that were sold, by the service's own book", func(b *BidAudit) int { return b.Sold }),
	bidGauge("oversold", "units sold beyond those that the bid has", func(b *BidAudit) int { return b.Oversold }),
	bidGauge("unsold", "units of the bid that nobody has in the end", func(b *BidAudit) int { return b.Unsold }),
	bidGauge("shed", "buyers of the bid who were told at their last try that the service is overloaded, and nothing of the bid", func(b *BidAudit) int { return b.Shed }),
	bidGauge("turned_away", "buyers of the bid who were told that it is sold out, closed or busy", func(b *BidAudit) int { return b.TurnedAway }),
	bidGauge("busy", "of them, those who were told that too many buy at this moment, which says nothing of what is left", func(b *BidAudit) int { return b.Busy }),
	{
		MeasureDoc{"bid.illegal", "", "bids whose answers fit no order of events in which each unit is taken once, as porcupine checks it; not known when it could not tell"},
		func(e *evidence) (float64, int) {
			switch {
			case e.bid == nil || !e.whole || e.bid.Units == 0 || e.bid.History == historyNotChecked:
				return never, 0
			case e.bid.History == historyIllegal:
				return 1, e.bid.Asked
			}
			return 0, e.bid.Asked
		},
	},
	bidGauge("turned_away_early", "buyers of the bid who were told that it is sold out, closed or busy while what they asked for was certainly free", func(b *BidAudit) int { return b.TurnedAwayEarly }),
}

// bidMore says why it is not known whether a bid is illegal.
var bidMore = map[string]func(*evidence, *Measure){
	"bid.illegal": func(e *evidence, m *Measure) {
		if e.bid != nil && e.bid.Units > 0 && e.bid.History == historyNotChecked {
			m.Why = fmt.Sprintf("%s: the search for an order of events did not end within %v", historyNotChecked, historyLimit)
		}
	},
}

// invariants are what no sale may break: no unit is sold twice, and what a buyer was told that he has he has.
func (b *BidAudit) invariants(whole bool) []Check {
	over := Check{Name: "units of the bid oversold", Want: "0", Got: count(int64(b.Oversold)), Samples: b.Asked, Status: status(b.Oversold == 0)}
	lost := Check{
		Name: "shares told and not kept, or kept and denied", Want: "0 + 0", Got: fmt.Sprintf("%d + %d", b.Lost, b.Phantom), Samples: b.Asked,
		Status: status(b.Lost+b.Phantom == 0),
	}
	if !whole || b.Units == 0 {
		over.Status, lost.Status = unknown, unknown
	}
	return []Check{over, lost}
}

// bidSentence is the sentence of a run's bid, "" when it had none.
func bidSentence(b *BidAudit) string {
	if b == nil {
		return ""
	}
	return b.sentence()
}

// sentence says what became of the bid.
func (b *BidAudit) sentence() string {
	s := fmt.Sprintf("bid of %s: %s sold", count(int64(b.Units)), count(int64(b.Sold)))
	if b.Oversold > 0 {
		s += fmt.Sprintf(", %s more than there are", count(int64(b.Oversold)))
	}
	if b.Unsold > 0 {
		s += fmt.Sprintf(", %s left over", count(int64(b.Unsold)))
	}
	s += fmt.Sprintf("; %s turned away", count(int64(b.TurnedAway)))
	if b.Busy > 0 {
		s += fmt.Sprintf(", %s of them as too many at once", count(int64(b.Busy)))
	}
	if b.TurnedAwayEarly > 0 {
		s += fmt.Sprintf(", %s of them while what they asked for was free", count(int64(b.TurnedAwayEarly)))
	}
	if b.Shed > 0 {
		s += fmt.Sprintf("; %s told to come again, until they gave up", count(int64(b.Shed)))
	}
	return s + "; order of events: " + b.History
}
