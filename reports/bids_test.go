package reports

import (
	"fmt"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A deal is one purchase of a made-up bid.
type deal struct {
	units      int
	from, till int64
	status     int
	note       string
	state      string // in the service's book; "" it is not there

	takenSeq, returnedSeq int64 // there
}

func bidOf(units int, deals ...deal) *BidAudit { return bookOf(units, deals...).result() }

func bookOf(units int, deals ...deal) *bidBook {
	var b bidBook
	b.take(&runlog.Record{Event: runlog.ServiceCall, Channel: "bid", ID: "bid1", N: units})
	for i, d := range deals {
		key := fmt.Sprint("r", i)
		b.take(&runlog.Record{Event: runlog.CallIntent, Channel: "bid", Key: key, N: d.units, At: d.from})
		b.take(&runlog.Record{Event: runlog.CallAnswer, Channel: "bid", Key: key, Status: d.status, Note: d.note, At: d.till})
		if d.state != "" {
			b.take(&runlog.Record{Event: runlog.ServiceCall, Channel: "bid", Key: key, ID: "bid1", N: d.units, Note: d.state, TakenSeq: d.takenSeq, ReturnedSeq: d.returnedSeq})
		}
	}
	return &b
}

func TestABidIsAudited(t *testing.T) {
	tests := []struct {
		name  string
		units int
		deals []deal
		want  BidAudit
	}{
		{
			"everything is sold, and who comes later is turned away", 10,
			[]deal{{5, 1, 10, 201, "", "BOUGHT", 0, 0}, {5, 2, 9, 201, "", "BOUGHT", 0, 0}, {5, 3, 12, 409, "SOLD_OUT", "", 0, 0}},
			BidAudit{Units: 10, Sold: 10, Asked: 3, Bought: 2, TurnedAway: 1, History: "ok"},
		},
		{
			"more is sold than there is", 10,
			[]deal{{10, 1, 10, 201, "", "BOUGHT", 0, 0}, {5, 2, 9, 201, "", "BOUGHT", 0, 0}},
			BidAudit{Units: 10, Sold: 15, Oversold: 5, Asked: 2, Bought: 2, History: "illegal"},
		},
		{
			"turned away after what had failed came back", 10,
			[]deal{{10, 1, 10, 402, "FROZEN", "RETURNED", 0, 0}, {5, 11, 12, 409, "CLOSED", "", 0, 0}},
			BidAudit{Units: 10, Unsold: 10, Asked: 2, TurnedAway: 1, TurnedAwayEarly: 1, History: "illegal"},
		},
		{
			"told that the service is overloaded, while all was free: that says nothing of the bid", 10,
			[]deal{{5, 1, 2, 503, "OVERLOADED", "", 0, 0}, {10, 3, 9, 201, "", "BOUGHT", 0, 0}},
			BidAudit{Units: 10, Sold: 10, Asked: 2, Bought: 1, Shed: 1, History: "ok"},
		},
		{
			"told so, and kept all the same", 10,
			[]deal{{10, 1, 2, 503, "OVERLOADED", "BOUGHT", 0, 0}},
			BidAudit{Units: 10, Sold: 10, Asked: 1, Shed: 1, Phantom: 1, History: "ok"},
		},
		{
			"told busy while all was free: he was turned away early", 10,
			[]deal{{10, 1, 5, 503, "BUSY", "RETURNED", 0, 0}, {5, 11, 12, 503, "BUSY", "", 0, 0}},
			BidAudit{Units: 10, Unsold: 10, Asked: 2, TurnedAway: 2, Busy: 2, TurnedAwayEarly: 2, History: "illegal"},
		},
		{
			"told busy when others had everything", 10,
			[]deal{{10, 1, 10, 201, "", "BOUGHT", 0, 0}, {5, 11, 12, 503, "BUSY", "", 0, 0}},
			BidAudit{Units: 10, Sold: 10, Asked: 2, Bought: 1, TurnedAway: 1, Busy: 1, History: "ok"},
		},
		{
			"turned away while one who is told busy held the units: they were not certainly free", 10,
			[]deal{{10, 1, 10, 503, "BUSY", "RETURNED", 0, 0}, {5, 2, 9, 409, "SOLD_OUT", "", 0, 0}},
			BidAudit{Units: 10, Unsold: 10, Asked: 2, TurnedAway: 2, Busy: 1, TurnedAwayEarly: 1, History: "illegal"},
		},
		{
			"turned away while another held the units", 10,
			[]deal{{10, 1, 10, 402, "FROZEN", "RETURNED", 0, 0}, {5, 2, 12, 409, "SOLD_OUT", "", 0, 0}},
			BidAudit{Units: 10, Unsold: 10, Asked: 2, TurnedAway: 1, History: "ok"},
		},
		{
			"nobody knows whether he bought: both may be", 10,
			[]deal{{10, 1, 10, 0, "", "", 0, 0}, {10, 11, 12, 201, "", "BOUGHT", 0, 0}, {10, 13, 14, 409, "SOLD_OUT", "", 0, 0}},
			BidAudit{Units: 10, Sold: 10, Asked: 3, Bought: 1, TurnedAway: 1, History: "ok"},
		},
		{
			"he had no answer, and the service's book knows nothing of him: he held nothing", 10,
			[]deal{{5, 1, 10, 0, "", "", 0, 0}, {5, 2, 9, 201, "", "BOUGHT", 0, 0}, {5, 11, 12, 409, "SOLD_OUT", "", 0, 0}},
			BidAudit{Units: 10, Sold: 5, Unsold: 5, Asked: 3, Bought: 1, TurnedAway: 1, TurnedAwayEarly: 1, History: "illegal"},
		},
		{
			"what came back before it was sold again, in no order that can be", 10,
			[]deal{{6, 1, 2, 201, "", "BOUGHT", 0, 0}, {4, 3, 4, 201, "", "BOUGHT", 0, 0}, {1, 5, 6, 402, "FROZEN", "RETURNED", 0, 0}},
			BidAudit{Units: 10, Sold: 10, Asked: 3, Bought: 2, History: "illegal"},
		},
		{
			"a share that he was told of is not in the book", 10,
			[]deal{{10, 1, 2, 201, "", "", 0, 0}},
			BidAudit{Units: 10, Unsold: 10, Asked: 1, Bought: 1, Lost: 1, History: "ok"},
		},
		{
			"he was turned away and has it", 10,
			[]deal{{10, 1, 2, 409, "SOLD_OUT", "BOUGHT", 0, 0}},
			BidAudit{Units: 10, Sold: 10, Asked: 1, TurnedAway: 1, TurnedAwayEarly: 1, Phantom: 1, History: "illegal"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := bidOf(tt.units, tt.deals...)
			if *got != tt.want {
				t.Errorf("audited as %+v\nwant       %+v", *got, tt.want)
			}
			bad := 0
			for _, c := range got.invariants(true) {
				if c.Status == failed {
					bad++
				}
			}
			if wrong := tt.want.Oversold > 0 || tt.want.Lost+tt.want.Phantom > 0; (bad > 0) != wrong {
				t.Errorf("%d invariants broken", bad)
			}
		})
	}
	if bidOf(0) != nil {
		t.Error("a run without a bid has an account of one")
	}
}

// What is sold is what all rows of the service's book add up to, whatever the buyers asked for.
func TestTheServicesBookIsCountedRowByRow(t *testing.T) {
	row := func(key string, units int) runlog.Record {
		return runlog.Record{Event: runlog.ServiceCall, Channel: "bid", Key: key, ID: "bid1", N: units, Note: "BOUGHT"}
	}
	bought := func(units int) deal { return deal{units, 1, 2, 201, "", "", 0, 0} }
	tests := []struct {
		name  string
		deals []deal
		rows  []runlog.Record
		want  BidAudit
	}{
		{
			"one request has two shares",
			[]deal{bought(5), bought(5)},
			[]runlog.Record{row("r0", 5), row("r0", 5), row("r1", 5)},
			BidAudit{Units: 10, Sold: 15, Oversold: 5, Asked: 2, Bought: 2, Phantom: 1, History: "ok"},
		},
		{
			"a second row that came back does not hide the first",
			[]deal{bought(5), bought(5)},
			[]runlog.Record{row("r0", 5), row("r1", 5), {Event: runlog.ServiceCall, Channel: "bid", Key: "r1", ID: "bid1", N: 5, Note: "RETURNED"}},
			BidAudit{Units: 10, Sold: 10, Asked: 2, Bought: 2, History: "ok"},
		},
		{
			"a share is larger than what was asked for",
			[]deal{bought(5), bought(5)},
			[]runlog.Record{row("r0", 10), row("r1", 5)},
			BidAudit{Units: 10, Sold: 15, Oversold: 5, Asked: 2, Bought: 2, Phantom: 1, History: "ok"},
		},
		{
			"a share is smaller",
			[]deal{bought(5), bought(5)},
			[]runlog.Record{row("r0", 2), row("r1", 5)},
			BidAudit{Units: 10, Sold: 7, Unsold: 3, Asked: 2, Bought: 2, Lost: 1, History: "ok"},
		},
		{
			"nobody asked for it",
			[]deal{bought(5)},
			[]runlog.Record{row("r0", 5), row("stranger", 5)},
			BidAudit{Units: 10, Sold: 10, Asked: 1, Bought: 1, Phantom: 1, History: "ok"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := bookOf(10, tt.deals...)
			for _, r := range tt.rows {
				b.take(&r)
			}
			if got := *b.result(); got != tt.want {
				t.Errorf("audited as %+v\nwant       %+v", got, tt.want)
			}
		})
	}
}

// Nobody knows what a try without an answer did: what a later one is told may have happened in the first.
func TestAPurchaseBeginsWithItsFirstTryOfWhichNobodyKnows(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int // of the first try
		note   string
		from   int64
	}{
		{"no answer", 0, "", 1},
		{"told to come again: nothing was taken", 503, "OVERLOADED", 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bookOf(10, deal{10, 1, 10, tt.status, tt.note, "", 0, 0})
			b.take(&runlog.Record{Event: runlog.CallIntent, Channel: "bid", Key: "r0", N: 10, At: 20})
			b.take(&runlog.Record{Event: runlog.CallAnswer, Channel: "bid", Key: "r0", Status: 200, At: 21})
			if p := b.bought[0]; p.from != tt.from || p.till != 21 || p.outcome != purchaseBought {
				t.Errorf("%+v, want it to begin at %d", p, tt.from)
			}
		})
	}
}

func TestALargeSaleInTurnIsFoundToBeInOrder(t *testing.T) {
	var deals []deal
	for i := range int64(2000) {
		d := deal{1, 10 * i, 10*i + 500, 201, "", "BOUGHT", 0, 0} // fifty at once
		if i%30 == 0 {
			d.status, d.note, d.state = 402, "RISK", "RETURNED"
		}
		deals = append(deals, d)
	}
	if got := bidOf(3000, deals...); got.History != "ok" {
		t.Errorf("the order of events is %s", got.History)
	}
}

func TestOfSeveralTriesTheLastOneCounts(t *testing.T) {
	b := bookOf(10, deal{10, 1, 2, 503, "OVERLOADED", "", 0, 0}, deal{10, 1, 9, 201, "", "BOUGHT", 0, 0})
	for _, r := range []runlog.Record{
		{Event: runlog.CallIntent, Channel: "bid", Key: "r0", N: 10, At: 11},
		{Event: runlog.CallAnswer, Channel: "bid", Key: "r0", Status: 409, Note: "SOLD_OUT", At: 12},
	} {
		b.take(&r)
	}
	if got, want := *b.result(), (BidAudit{Units: 10, Sold: 10, Asked: 2, Bought: 1, TurnedAway: 1, History: "ok"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
