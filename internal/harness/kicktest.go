package harness

import (
	"fmt"
	"time"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// WantsKick reports whether a run stayed down and only a lull in its load could tell what that means: metastable, or broken.
func WantsKick(s *reports.Stability, sc *scenarios.Scenario) bool {
	if s == nil || sc.Kick.For > 0 || s.BucketNS <= 0 || !s.RecoveryOpen {
		return false
	}
	return s.Class == reports.Suspect || s.Class == reports.Undecided
}

// lull is how long the load falls to a tenth where the model drains in tau: a little longer, since a fault's heal takes some time, too,
// and a lull that is shorter than what the run's own model asks for could not tell that a service is broken.
func lull(tau time.Duration) time.Duration { return max(cellKickLeast, tau+tau/10+2*time.Second) }

// WithKick is the scenario with a lull after the horizon of a run that stayed down, and so much load after it that a recovery can
// be seen. The load before is what that run had, or longer when it ended before the horizon.
func WithKick(sc *scenarios.Scenario, s *reports.Stability) (*scenarios.Scenario, error) {
	seen := max(10*time.Second, 3*time.Duration(s.BucketNS)) + 2*time.Second
	tau := time.Duration(max(s.ModelNS, 0))
	kicked, err := sc.Stretched(scenarios.Stretch{
		// A fault is over a moment after its time: its heal takes some.
		After:    max(time.Duration(s.SeenNS), time.Duration(s.HorizonNS)+3*time.Second).Round(time.Second),
		Kick:     lull(tau).Round(time.Second),
		Restored: seen,
	})
	if err != nil {
		return nil, fmt.Errorf("adding a lull: %w", err)
	}
	return kicked, nil
}
