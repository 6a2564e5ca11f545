package reports

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// An uploadBook is the account of the records that callers upload: each record of a batch that was acknowledged must have
// its effect once.
type uploadBook struct {
	sent   map[string]*uploaded // by batch
	totals map[string]int       // what the service has added to a caller's total
	sums   map[string]int       // the records of that caller that it has

	strange int // stored, and never sent
	twice   int // stored more than once
}

// An uploaded batch is one that was sent.
type uploaded struct {
	acked  bool
	count  int // records stored
	stored []bool
}

func (u *uploadBook) take(r *runlog.Record) {
	if u.sent == nil {
		u.sent, u.totals, u.sums = make(map[string]*uploaded), make(map[string]int), make(map[string]int)
	}
	switch {
	case r.Event == runlog.CallIntent:
		if u.sent[r.Key] == nil {
			u.sent[strings.Clone(r.Key)] = &uploaded{stored: make([]bool, r.N)}
		}
	case r.Event == runlog.CallAnswer:
		// One that is to be sent again is answered as it should be too, with no records.
		if b := u.sent[r.Key]; b != nil && r.OK && r.N > 0 {
			b.acked = true
		}
	case r.Event == runlog.ServiceCall && r.Note == "total":
		u.totals[strings.Clone(r.ID)] = r.N
	case r.Event == runlog.ServiceCall && r.Note == "stored":
		u.keep(r)
	}
}

// keep enters a record that the service has.
func (u *uploadBook) keep(r *runlog.Record) {
	u.sums[strings.Clone(r.ID)]++
	key, index, _ := strings.Cut(r.Key, "-")
	b := u.sent[key]
	i, err := strconv.Atoi(index)
	switch {
	case b == nil || err != nil || i < 1 || i > len(b.stored):
		u.strange++
	case b.stored[i-1]:
		u.twice++
	default:
		b.stored[i-1] = true
		b.count++
	}
}

// completed is how many batches were acknowledged and have had the effect of all their records.
func (u *uploadBook) completed() int {
	n := 0
	for _, b := range u.sent {
		if b.acked && b.count == len(b.stored) {
			n++
		}
	}
	return n
}

// acknowledged counts the records of acknowledged batches, and those of them that had no effect.
func (u *uploadBook) acknowledged() (records, lost int) {
	for _, b := range u.sent {
		if b.acked {
			records += len(b.stored)
			lost += len(b.stored) - b.count
		}
	}
	return records, lost
}

// doubled is how many records had their effect more than once: stored twice, or counted in a total that has more than there are.
func (u *uploadBook) doubled() int {
	n := u.twice
	for caller, total := range u.totals {
		n += max(0, total-u.sums[caller])
	}
	return n
}

// missing is how many records are stored and not in their caller's total: half of an effect.
func (u *uploadBook) missing() int {
	n := 0
	for caller, sum := range u.sums {
		n += max(0, sum-u.totals[caller])
	}
	return n
}

const checkUploads = "every acknowledged record has its effect once"

// invariants are what must hold of the uploads whatever happens. What was not acknowledged may be missing.
func (u *uploadBook) invariants(whole, over bool) []Check {
	if len(u.sent) == 0 {
		return nil
	}
	records, lost := u.acknowledged()
	if !over {
		lost = 0 // they may still be worked on
	}
	wrong := lost + u.doubled() + u.missing() + u.strange
	c := Check{Name: checkUploads, Want: "0 wrong", Samples: records, Status: unknown, Got: "-"}
	if records == 0 && wrong == 0 {
		return nil // nothing was promised
	}
	if !whole {
		c.Note = "the service's book is not whole"
		return []Check{c}
	}
	c.Got = fmt.Sprintf("%s acknowledged; %s wrong", count(int64(records)), count(int64(wrong)))
	switch {
	case wrong == 0 && !over:
		c.Note = notOver
	case wrong == 0:
		c.Status = passed
	default:
		c.Status = failed
		c.Note = fmt.Sprintf("%d lost, %d doubled, %d without their part of the total, %d never sent", lost, u.doubled(), u.missing(), u.strange)
	}
	return []Check{c}
}

// uploadGauges are the measures of uploads besides latency and errors, and of who watches over the processes that take them.
var uploadGauges = []gauge{
	{
		MeasureDoc{"upload.completed", "share", "batches that were acknowledged and have had the effect of every record, of all that were sent"},
		func(e *evidence) (float64, int) {
			if !e.whole {
				return never, 0
			}
			return ratio(e.uploads.completed(), len(e.uploads.sent))
		},
	},
	{
		MeasureDoc{"upload.lost", "", "records of acknowledged batches that had no effect by the end"},
		func(e *evidence) (float64, int) {
			if !e.whole {
				return never, 0
			}
			records, lost := e.uploads.acknowledged()
			return float64(lost), records
		},
	},
	{
		MeasureDoc{"upload.doubled", "", "records that had their effect more than once"},
		func(e *evidence) (float64, int) {
			if !e.whole {
				return never, 0
			}
			n := 0
			for _, sum := range e.uploads.sums {
				n += sum
			}
			return float64(e.uploads.doubled()), n
		},
	},
	{
		MeasureDoc{"upload.timeouts", "share", "uploads that were not answered in time"},
		func(e *evidence) (float64, int) {
			c := e.calls["upload"]
			if c == nil {
				return never, 0
			}
			return ratio(c.Silent, c.Good+c.Wrong+c.Silent)
		},
	},
	{
		MeasureDoc{"restarts", "", "processes that were killed and started again since their health check failed; without topology.health nobody asks"},
		func(e *evidence) (float64, int) { return float64(len(e.run.Health.Restarts)), e.run.Health.Asked },
	},
}
