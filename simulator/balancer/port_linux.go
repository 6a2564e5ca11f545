package balancer

import (
	"net"
	"os"
	"syscall"
)

// A port stays the balancer's while nobody listens on it: it is bound to a socket that never listens, so that connecting
// is refused, the system gives the port to nobody else, and listening on it again cannot fail. Listeners share it by
// SO_REUSEADDR, which Go sets on all of them.
type port struct {
	address string
	file    *os.File
}

func takePort() (*port, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	p := &port{file: os.NewFile(uintptr(fd), "port of the balancer")}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		p.close()
		return nil, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		p.close()
		return nil, os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		p.close()
		return nil, os.NewSyscallError("getsockname", err)
	}
	p.address = (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	return p, nil
}

func (p *port) close() { _ = p.file.Close() }
