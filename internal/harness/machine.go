package harness

import "github.com/lunchrush/lunchrush/internal/runlog"

// Fingerprint describes this machine, as a run's manifest has it.
func Fingerprint() runlog.Fingerprint { return fingerprint() }
