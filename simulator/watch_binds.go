package simulator

import (
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// binds is what is known of the look-ups of buyers: how many failed for good since the start, and how many are yet to be made;
// -1 unknown.
type binds struct{ failed, waiting int }

var unknownBinds = binds{-1, -1}

const (
	metricBinds        = "lunchrush_binds_"
	metricBindsTotal   = "total"
	metricBindsWaiting = "waiting"
)

// line is the figure that a line about binds adds to, and the rest of the line; nil when a row has no column for it.
func (b *binds) line(line string) (into *int, rest string) {
	rest = line[len(metricBinds):]
	switch {
	case strings.HasPrefix(rest, metricBindsWaiting):
		return &b.waiting, rest[len(metricBindsWaiting):]
	case strings.HasPrefix(rest, metricBindsTotal+`{outcome="failed"`), strings.HasPrefix(rest, metricBindsTotal+`{outcome="dropped"`):
		return &b.failed, rest[len(metricBindsTotal):]
	}
	return nil, ""
}

// begin lets a service that counts those that wait have had no failure until it tells of one.
func (b *binds) begin() {
	if b.waiting >= 0 {
		b.failed = max(0, b.failed)
	}
}

// fill writes the look-ups into a row.
func (b binds) fill(s *runlog.Sample) { s.BindsFailed, s.BindsWaiting = b.failed, b.waiting }
