package simulator

import (
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// counters are the names, with their labels, of what the service has counted since it started and a row has columns for.
var counters = [...]string{
	`lunchrush_db_errors_total{number="1040"}`,
	`lunchrush_db_errors_total{number="1205"}`,
	`lunchrush_db_errors_total{number="1213"}`,
	`lunchrush_queue_attempts_total{outcome="not-payable"}`,
	`lunchrush_price_looks_total`,
	`lunchrush_price_reads_total`,
}

// counter is the counter that a line tells, and the rest of the line; nil when a row has no column for it.
func (m *serviceMetrics) counter(line string) (into *int, rest string) {
	for i, name := range counters {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return &m.counted[i], rest
		}
	}
	return nil, line
}

// count writes the service's counters into a row.
func (m *serviceMetrics) count(s *runlog.Sample) {
	s.DBErrors1040, s.DBErrors1205, s.DBErrors1213, s.QueueNotPayable = m.counted[0], m.counted[1], m.counted[2], m.counted[3]
	s.PriceLooks, s.PriceReads = m.counted[4], m.counted[5]
}

// noCounters are those of a service that has told none.
var noCounters = [len(counters)]int{-1, -1, -1, -1, -1, -1}
