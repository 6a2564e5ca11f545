//go:build !unix

package balancer

// openFilesMax is how many files this process may have open; no system of this kind says.
func openFilesMax() int { return 1 << 13 }
