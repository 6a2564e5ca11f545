package calibration

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket reads with the kernel's word for when the bytes came in. On the loopback that is while the sender still is in its
// system call: how long the reader then takes to wake up is no part of it.
type socket struct{ raw syscall.RawConn }

// newSocket asks the kernel to stamp what comes in; of a connection that cannot be stamped it gives a zero socket.
func newSocket(c net.Conn) socket {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return socket{}
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return socket{}
	}
	var refused error
	err = raw.Control(func(fd uintptr) { refused = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
	if errors.Join(err, refused) != nil {
		return socket{}
	}
	return socket{raw}
}

// read reads as c does, and says when the kernel had the bytes; when it does not say, when the reader had them.
func (s socket) read(c net.Conn, b []byte) (n int, came time.Time, err error) {
	if s.raw == nil || len(b) == 0 {
		n, err = c.Read(b)
		return n, time.Now(), err
	}
	var control [64]byte
	var controls int
	var failed error
	err = s.raw.Read(func(fd uintptr) bool {
		for {
			n, controls, _, _, failed = unix.Recvmsg(int(fd), b, control[:], 0)
			if failed != unix.EINTR {
				return failed != unix.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return 0, came, err
	case failed != nil:
		return 0, came, os.NewSyscallError("recvmsg", failed)
	case n == 0:
		return 0, came, io.EOF
	}
	return n, stampIn(control[:controls]), nil
}

// stampIn is the stamp among the control messages, on the monotonic clock; now without one. It is of the wall clock, which may be
// set meanwhile: what is not within the last second is no stamp.
func stampIn(control []byte) time.Time {
	now := time.Now() // both clocks at one moment
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return now
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SO_TIMESTAMPNS || len(m.Data) < int(unsafe.Sizeof(unix.Timespec{})) {
			continue
		}
		stamp := (*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
		if ago := time.Duration(now.UnixNano() - stamp.Nano()); ago > 0 && ago < time.Second {
			return now.Add(-ago)
		}
	}
	return now
}
