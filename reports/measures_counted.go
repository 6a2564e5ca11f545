package reports

import "github.com/lunchrush/lunchrush/internal/runlog"

// countedGauges are what the service itself has counted, as its metrics told each second.
func countedGauges() []gauge {
	return []gauge{
		counted("db.errors_1040", "times that the database had no connection left for the service (error 1040)",
			func(s *runlog.Sample) int { return s.DBErrors1040 }),
		counted("db.errors_1205", "statements of the service that waited for a lock until the database gave up (error 1205)",
			func(s *runlog.Sample) int { return s.DBErrors1205 }),
		counted("db.errors_1213", "transactions of the service that the database rolled back to end a deadlock (error 1213), tried again or not",
			func(s *runlog.Sample) int { return s.DBErrors1213 }),
		counted("queue.not_payable", "attempts on pay_queue rows that ended with \"order not payable\"",
			func(s *runlog.Sample) int { return s.QueueNotPayable }),
	}
}

// counted is the measure of a counter. It has a sample for each second in which the service told it.
func counted(name, doc string, of func(*runlog.Sample) int) gauge {
	return gauge{MeasureDoc{name, "", doc}, func(e *evidence) (float64, int) { return increases(e.samples, of) }}
}

// increases adds up how much a counter grew over the run. It begins at 0 with the service, and again when that was
// restarted; -1 is a second in which nobody knew. Of a service of several processes the watch has added them up already: a
// fall is never the difference of two of them.
func increases(samples []runlog.Sample, of func(*runlog.Sample) int) (float64, int) {
	sum, last, n := 0, 0, 0
	for i := range samples {
		v := of(&samples[i])
		if v < 0 {
			continue
		}
		if v < last {
			last = 0
		}
		sum, last, n = sum+v-last, v, n+1
	}
	if n == 0 {
		return never, 0
	}
	return float64(sum), n
}
