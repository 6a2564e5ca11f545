//go:build !unix

package simulator

import "net"

// open takes every idle connection for usable where it can not be looked at.
func open(net.Conn) bool { return true }
