package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
)

// hosts gives every instance of a topology a place of its own to listen at, which it keeps through every restart: its
// peers, which call it by its address, then find it again, as they would a server that has rebooted.
//
// Where the system lets us (Linux), each instance has a loopback address of its own, 127.0.ROLE.NUMBER, and all of them
// the same two ports, as a fleet of servers has. Elsewhere they share 127.0.0.1.
type hosts struct {
	public, internal int // ports; with one address for all: of the first instance, the others' follow
	own              bool
	taken            int
}

// Ports of services lie below the range that the kernel takes outgoing ports from: in that range a connection of
// anybody's could take the port while its instance is down.
const (
	firstServicePort = 15000
	lastServicePort  = 31000
)

// newHosts finds ports that are free at every address that the topology's instances will have, and those that may join.
func newHosts() (*hosts, error) {
	const tries = 200
	h := &hosts{own: runtime.GOOS == "linux"}
	for range tries {
		h.public = firstServicePort + 2*rand.IntN((lastServicePort-firstServicePort)/2)
		h.internal = h.public + 1
		if h.free() {
			return h, nil
		}
	}
	return nil, fmt.Errorf("no two free ports between %d and %d in %d tries", firstServicePort, lastServicePort, tries)
}

// free tries the ports at the addresses that a topology of some size has.
func (h *hosts) free() bool {
	const tried = 12 // instances of each role
	addresses := []string{"127.0.0.1"}
	for role := range rolesInOrder {
		for number := 1; h.own && number <= tried; number++ {
			addresses = append(addresses, hostAddress(role, number))
		}
	}
	for _, address := range addresses {
		for _, port := range []int{h.public, h.internal} {
			l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
			if err != nil || l.Close() != nil {
				return false
			}
		}
	}
	return true
}

func hostAddress(role, number int) string { return fmt.Sprintf("127.0.%d.%d", role+1, number) }

// A place is where one instance listens.
type place struct {
	host             string // its address, or 127.0.0.1
	public, internal string // host:port
}

// place is the next instance's of a role.
func (h *hosts) place(role string, number int) (place, error) {
	at := slices.Index(rolesInOrder, role)
	if at < 0 || number < 1 || number > 250 {
		return place{}, errors.New("no such instance: " + instanceName(role, number))
	}
	p := place{host: "127.0.0.1"}
	public, internal := h.public, h.internal
	if h.own {
		p.host = hostAddress(at, number)
	} else {
		public, internal = public+2*h.taken, internal+2*h.taken
		h.taken++
	}
	p.public = net.JoinHostPort(p.host, strconv.Itoa(public))
	p.internal = net.JoinHostPort(p.host, strconv.Itoa(internal))
	return p, nil
}
