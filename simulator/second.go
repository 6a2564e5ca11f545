package simulator

import (
	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A Second is what a row of metrics.csv was made from, for those who watch a run while it goes on.
type Second struct {
	Sample runlog.Sample
	Kinds  map[string]TimelineCounts // by kind of send, since the run's start

	// Times has the histograms of the sends that were answered in this second, by tag: "create.response". They are the
	// watch's own, and valid during the call only.
	Times map[string]*hdr.Histogram
}
