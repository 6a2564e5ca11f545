package simulator

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// beats are the fleet's heartbeats: every machine's once an interval, all of them spread evenly over it.
type beats struct {
	fleet *fleet
	ctx   context.Context
	every time.Duration
	from  time.Duration
	next  int // beat number since from; only the agenda's goroutine touches it
}

// begin does nothing for a scenario without heartbeats.
func (b *beats) begin(ctx context.Context, f *fleet) {
	b.fleet, b.ctx, b.every, b.from = f, ctx, f.st.scenario.Fleet.Beat, f.st.now()
	if b.every > 0 && len(f.machines) > 0 {
		f.st.after(b.from, b.tick)
	}
}

// beatGrid is how close together beats may fall due. Those of ten thousand machines would come 3 ms apart, and to wake both
// sides for each costs more than the beat itself: so that many machines beat at the same moments, a hundred times a second.
const beatGrid = 10 * time.Millisecond

// due is the moment of a beat: n machines share the interval.
func (b *beats) due(beat int) time.Duration {
	n := len(b.fleet.machines)
	within := time.Duration(beat%n) * b.every / time.Duration(n)
	if b.every < time.Duration(n)*beatGrid {
		within = within.Truncate(beatGrid)
	}
	return b.from + time.Duration(beat/n)*b.every + within
}

// tick puts the beats of the next moments on the timeline.
func (b *beats) tick() {
	st := b.fleet.st
	now := st.now()
	for ; b.ctx.Err() == nil && b.due(b.next) <= now+beatAhead; b.next++ {
		if due := b.due(b.next); due >= now-b.every { // a beat that was missed by a whole interval has no meaning
			b.fleet.machines[b.next%len(b.fleet.machines)].beat(due)
		}
	}
	if b.ctx.Err() == nil {
		st.after(max(now+beatTick, b.due(b.next)-beatAhead), b.tick)
	}
}

func (m *machine) beat(due time.Duration) {
	if m.offlineUntil() > due {
		return
	}
	body, err := json.Marshal(m.pulse())
	if err != nil { // strings only
		panic(err)
	}
	s := m.request(SendHeartbeat, "/heartbeats", body, due)
	s.Timeout = resultTimeout
	s.Done = func(a Answer) {
		if a.Status/100 != 2 {
			m.st.book(runlog.Record{At: int64(a.At), Event: runlog.HeartbeatFailure, Machine: m.name, Status: a.Status})
		}
	}
	_ = m.st.push(s) // over
}
