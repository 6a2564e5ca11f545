//go:build !linux

package calibration

import (
	"net"
	"time"
)

// A socket reads as its connection does: when the bytes came in is when the reader had them.
type socket struct{}

func newSocket(net.Conn) socket { return socket{} }

func (socket) read(c net.Conn, b []byte) (n int, came time.Time, err error) {
	n, err = c.Read(b)
	return n, time.Now(), err
}
