package reports

import "github.com/lunchrush/lunchrush/internal/runlog"

// shopGauges are about prices: what shop was asked for, and what it asked the database.
var shopGauges = []gauge{
	{
		MeasureDoc{"shop.reads", "", "questions about prices that shop asked the database"},
		func(e *evidence) (float64, int) { return increases(e.samples, priceReads) },
	},
	{
		MeasureDoc{"shop.db_reads_per_request", "", "questions that shop asked the database for each price that it was asked for"},
		func(e *evidence) (float64, int) {
			reads, n := increases(e.samples, priceReads)
			looks, _ := increases(e.samples, func(s *runlog.Sample) int { return s.PriceLooks })
			if n == 0 || looks == 0 {
				return never, 0
			}
			return reads / looks, int(looks)
		},
	},
	{
		MeasureDoc{"shop.reads_peak", "", "most questions about prices that shop asked the database in a second"},
		func(e *evidence) (float64, int) { return readsPeak(e.samples) },
	},
}

func priceReads(s *runlog.Sample) int { return s.PriceReads }

// readsPeak is the steepest rise between two rows, in questions a second. A row in which nobody knew is passed over: what
// came meanwhile is spread over the time that it took.
func readsPeak(samples []runlog.Sample) (float64, int) {
	peak, n := 0.0, 0
	var last *runlog.Sample
	for i := range samples {
		s := &samples[i]
		if s.PriceReads < 0 {
			continue
		}
		if last != nil && s.PriceReads >= last.PriceReads && s.AtNS > last.AtNS {
			peak, n = max(peak, float64(s.PriceReads-last.PriceReads)*1e9/float64(max(1e9, s.AtNS-last.AtNS))), n+1
		}
		last = s
	}
	if n == 0 {
		return never, 0
	}
	return peak, n
}
