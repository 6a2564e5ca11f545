//go:build !unix

package simulator

import "time"

func ownUsage() (cpu time.Duration, maxRSS int64) { return 0, 0 }
