//go:build unix

package balancer

import "syscall"

// openFilesMax is how many files this process may have open.
func openFilesMax() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 1 << 10
	}
	return int(min(uint64(l.Cur), 1<<20))
}
