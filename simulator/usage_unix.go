//go:build unix

package simulator

import (
	"runtime"
	"syscall"
	"time"
)

// ownUsage is the CPU time that this process has used and the most memory it has held, bytes.
func ownUsage() (cpu time.Duration, maxRSS int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	maxRSS = int64(u.Maxrss)
	if runtime.GOOS != "darwin" {
		maxRSS <<= 10 // KiB everywhere else
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), maxRSS
}
