package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A messageBook is the account of the messages that reached the service through a queue: each must have its effect once.
type messageBook struct {
	sent   map[string]batch // by the call's key
	totals map[string]int   // what the service says that a machine's messages add up to
	sums   map[string]int   // what its stored messages do add up to

	taken    int // messages that the queue took
	stored   int // of those that were sent, known to the service
	strange  int // stored, and never sent
	twice    int // stored more than once
	done     []int64
	seconds  int
	inFlight int // the most
	refused  int // receives: OverLimit
	queued   int // still in the queue when it was last looked at
}

// A batch is the messages of one send.
type batch struct {
	n      int
	taken  bool
	stored uint64 // bit i: message i
	from   int64
}

func (m *messageBook) take(r *runlog.Record, run *runlog.Manifest) {
	if m.sent == nil {
		m.sent, m.totals, m.sums = make(map[string]batch), make(map[string]int), make(map[string]int)
	}
	switch {
	case r.Event == runlog.CallIntent:
		m.sent[strings.Clone(r.Key)] = batch{n: r.N, from: r.At}
	case r.Event == runlog.CallAnswer:
		if b, known := m.sent[r.Key]; known && r.OK && !b.taken {
			b.taken = true
			m.sent[r.Key] = b
			m.taken += b.n
		}
	case r.Event == runlog.ServiceCall && r.Note == "total":
		m.totals[strings.Clone(r.ID)] = r.N
	case r.Event == runlog.ServiceCall && r.Note == "stored":
		m.keep(r, run)
	case r.Event == runlog.QueueSecond:
		m.seconds++
		m.inFlight = max(m.inFlight, r.N)
		m.refused += r.Status
		m.queued = int(r.Fen)
	}
}

// keep enters a message that the service has stored.
func (m *messageBook) keep(r *runlog.Record, run *runlog.Manifest) {
	m.sums[strings.Clone(r.ID)] += r.N
	key, index, _ := strings.Cut(r.Key, "-")
	b, known := m.sent[key]
	i, err := strconv.Atoi(index)
	if !known || err != nil || i < 1 || i > b.n || i > 64 {
		m.strange++
		return
	}
	bit := uint64(1) << (i - 1)
	if b.stored&bit != 0 {
		m.twice++
		return
	}
	b.stored |= bit
	m.sent[key] = b
	m.stored++
	m.done = append(m.done, unixMS(run, r.DoneMS))
}

// unfinished is how many messages the queue took and the service has not stored.
func (m *messageBook) unfinished() int {
	n := 0
	for _, b := range m.sent {
		if b.taken {
			for i := range b.n {
				if b.stored&(1<<i) == 0 {
					n++
				}
			}
		}
	}
	return n
}

// gap is the longest time in which no message came through: between two that did, before the first, and after the last up
// to the end when some never did.
func (m *messageBook) gap(end int64) int64 {
	first := int64(-1)
	for _, b := range m.sent {
		if first < 0 || b.from < first {
			first = b.from
		}
	}
	slices.Sort(m.done)
	longest, before := int64(0), first
	for _, at := range m.done {
		longest, before = max(longest, at-before), at
	}
	if m.unfinished() > 0 {
		longest = max(longest, end-before)
	}
	return longest
}

// wrongTotals counts the machines whose total is not the sum of their messages.
func (m *messageBook) wrongTotals() int {
	wrong := 0
	for machine, sum := range m.sums {
		if m.totals[machine] != sum {
			wrong++
		}
	}
	for machine, total := range m.totals {
		if _, known := m.sums[machine]; !known && total != 0 {
			wrong++
		}
	}
	return wrong
}

// lost is how many messages the queue took, that are in it no more, and that the service has not stored: somebody deleted them
// before they had their effect. The queue is looked at before the service's book is, so that no message is called lost that was
// stored in between.
func (m *messageBook) lost() int {
	if m.seconds == 0 {
		return 0
	}
	return max(0, m.unfinished()-m.queued)
}

// notOver is why what seems lost is not judged.
const notOver = "the run was cut short: what is missing may be on its way"

const checkMessages = "every message has its effect once"

// invariants are what must hold of the messages whatever happens; what is merely late is no violation.
func (m *messageBook) invariants(whole, over bool) []Check {
	if len(m.sent) == 0 {
		return nil
	}
	c := Check{Name: checkMessages, Want: "0 wrong", Samples: m.stored, Status: unknown, Got: "-"}
	if !whole {
		c.Note = "the service's book is not whole"
		return []Check{c}
	}
	totals, lost := m.wrongTotals(), 0
	if over { // else messages were sent after the queue was last looked at
		lost = m.lost()
	}
	wrong := m.strange + m.twice + totals + lost
	c.Got = fmt.Sprintf("%s of %s stored; %s wrong", count(int64(m.stored)), count(int64(m.taken)), count(int64(wrong)))
	switch {
	case wrong > 0:
		c.Status = failed
		c.Note = fmt.Sprintf("%d never sent, %d stored twice, %d deleted and not stored, the totals of %d machines are wrong", m.strange, m.twice, lost, totals)
	case m.stored == 0:
		c.Note = "none was stored"
	case !over:
		c.Note = notOver
	default:
		c.Status = passed
	}
	return []Check{c}
}

// messageGauges are the measures of messages.
var messageGauges = []gauge{
	{
		MeasureDoc{"message.unfinished", "", "messages that the queue took and the service had not stored at the end"},
		func(e *evidence) (float64, int) {
			if !e.whole {
				return never, 0
			}
			return float64(e.messages.unfinished()), e.messages.taken
		},
	},
	{
		MeasureDoc{"message.over_limit", "", "receives that found the queue's limit in flight: a short poll is refused with OverLimit, a long one waits"},
		func(e *evidence) (float64, int) { return float64(e.messages.refused), e.messages.seconds },
	},
	{
		MeasureDoc{"message.in_flight_max", "", "most messages in flight: received, and neither deleted nor timed out"},
		func(e *evidence) (float64, int) { return float64(e.messages.inFlight), e.messages.seconds },
	},
	{
		MeasureDoc{"message.gap_max", "ns", "the longest time in which no new message came through, up to the end when some never did"},
		func(e *evidence) (float64, int) {
			if !e.whole {
				return never, 0
			}
			return float64(e.messages.gap(e.last)), e.messages.taken
		},
	},
}
