package harness

import (
	"slices"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
)

// A faultBoard is what became of each fault so far, for those who watch a run. The books are the record; this is forgotten.
// A nil one remembers nothing.
type faultBoard struct {
	mu   sync.Mutex
	list []reports.LiveFault // in the order of the timeline, then of their injection; guarded by mu
}

// newFaultBoard has the faults of the timeline; their FromNS is the plan's until they are on.
func newFaultBoard(plans []runlog.FaultPlan) *faultBoard {
	b := &faultBoard{}
	for _, p := range plans {
		b.add(p)
	}
	return b
}

func (b *faultBoard) add(p runlog.FaultPlan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, reports.LiveFault{
		Fault: reports.Fault{ID: p.ID, What: p.What, On: p.On, FromNS: p.FromNS, ByHand: p.ByHand}, ForNS: p.ForNS,
	})
}

func (b *faultBoard) change(id string, to func(*reports.LiveFault)) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.list, func(f reports.LiveFault) bool { return f.ID == id }); i >= 0 {
		to(&b.list[i])
	}
}

func (b *faultBoard) on(id string, at time.Duration) {
	b.change(id, func(f *reports.LiveFault) { f.Injected, f.FromNS = true, int64(at) })
}

func (b *faultBoard) felt(id string, e chaos.Evidence) {
	b.change(id, func(f *reports.LiveFault) { f.Felt, f.Evidence = e.Felt, e.Text })
}

func (b *faultBoard) off(id string, at time.Duration, trouble string) {
	b.change(id, func(f *reports.LiveFault) { f.ToNS, f.Healed, f.Note = int64(at), trouble == "", trouble })
}

// failed is a fault that could not be injected.
func (b *faultBoard) failed(id string, err error) {
	b.change(id, func(f *reports.LiveFault) { f.Note = err.Error() })
}

// find returns what became of one.
func (b *faultBoard) find(id string) (reports.LiveFault, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.list, func(f reports.LiveFault) bool { return f.ID == id }); i >= 0 {
		return b.list[i], true
	}
	return reports.LiveFault{}, false
}

func (b *faultBoard) all() []reports.LiveFault {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list)
}
