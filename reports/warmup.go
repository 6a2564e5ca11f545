package reports

import "github.com/lunchrush/lunchrush/internal/runlog"

// measured leaves out the rows of the warm-up: those that begin in the play and before its end. Orders of that time are
// audited like any other.
func measured(run *runlog.Manifest, samples []runlog.Sample) []runlog.Sample {
	if run.WarmUpNS <= 0 {
		return samples
	}
	var kept []runlog.Sample
	before := int64(0)
	for _, s := range samples {
		if s.Phase != "play" || before >= run.PlayFromNS+run.WarmUpNS {
			kept = append(kept, s)
		}
		before = s.AtNS
	}
	return kept
}
