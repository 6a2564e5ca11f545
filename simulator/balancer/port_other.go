//go:build !linux

package balancer

import "net"

// A port is only remembered here: while nobody listens on it, the system may give it away, and healing then fails.
type port struct{ address string }

func takePort() (*port, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &port{l.Addr().String()}, l.Close()
}

func (p *port) close() {}
