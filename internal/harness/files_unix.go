//go:build unix

package harness

import "syscall"

// openFilesLimit is how many files this process may have open. Go has raised it to the most that it may by now.
func openFilesLimit() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<30 {
		return 0
	}
	return int(l.Cur)
}
