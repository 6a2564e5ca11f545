package simulator

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A meter adds up the processor time of the service, whose processes may be started again meanwhile: their count then begins
// anew, and what was used between the last reading and the start is not known.
type meter struct {
	ask func(context.Context) (cpu time.Duration, rss int64, err error) // nil: unknown

	mu   sync.Mutex
	last time.Duration // as it was told; guarded by mu, held while asking
	sum  time.Duration // guarded by mu
	most int64         // bytes resident; guarded by mu
}

var errNoUsage = errors.New("what the service uses is not known")

// A reading is what a meter shows: processor time since the first start, and the bytes that are resident now.
type reading struct {
	cpu  time.Duration
	rss  int64
	anew bool // a process was started again since the last reading
}

// read asks. Of a meter that cannot be read it returns what it showed last, with the error.
func (m *meter) read(ctx context.Context) (reading, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ask == nil {
		return reading{}, errNoUsage
	}
	cpu, rss, err := m.ask(ctx)
	if err != nil {
		return reading{cpu: m.sum}, err
	}
	anew := cpu < m.last
	m.sum += max(0, cpu-m.last)
	m.last = cpu
	m.most = max(m.most, rss)
	return reading{cpu: m.sum, rss: rss, anew: anew}, nil
}

// mostResident is the largest of the readings, bytes.
func (m *meter) mostResident() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.most
}
