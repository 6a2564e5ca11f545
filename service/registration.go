package service

import (
	"errors"
	"net"
	"strings"
)

// An Announcement is what a process tells the registry of itself.
type Announcement struct {
	Identity  string   `json:"identity"`
	Roles     []string `json:"roles"`
	Public    string   `json:"public"`          // host:port
	Internal  string   `json:"internal"`        // host:port
	StartedMS int64    `json:"started_ms"`      // Unix milliseconds: another one is another process
	Nonce     string   `json:"nonce,omitempty"` // asks the registry to call back
}

// Errors of a registry.
var (
	// ErrIdentityTaken means that another process, which lives, has this host's name: this host is a clone.
	ErrIdentityTaken = errors.New("identity is taken")
	// ErrUnreachable means that the registry did not find this process at the address that it announced.
	ErrUnreachable = errors.New("not reachable at the announced address")
)

// Announced is the address that a process which listens at the given one announces: that one, or with registry.address
// hosts-file what the hosts file says.
func (c *Config) Announced(listening string) string {
	if c.Switches.Registry.Address != HostsFile {
		return listening
	}
	// What hurts: the hosts file tells where this host's name was when the file was written. An image that was cloned
	// carries the old host's name and address, and announces them: the balancer has that address already, and never sends
	// to this one.
	host := lookUp(c.Registry.Hosts, c.Registry.Identity)
	_, port, err := net.SplitHostPort(listening)
	if host == "" || err != nil {
		return listening
	}
	return net.JoinHostPort(host, port)
}

// lookUp finds a name in the text of a hosts file: the first line that has it counts, as in the system's resolver.
func lookUp(hosts, name string) string {
	for line := range strings.Lines(hosts) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		for i, word := range words {
			if i > 0 && strings.EqualFold(word, name) {
				return words[0]
			}
		}
	}
	return ""
}

// OwnIdentity is the name that a clone gives itself when its own is taken: with its address in it, which nobody else has.
func OwnIdentity(identity, address string) string {
	return identity + "." + strings.NewReplacer(".", "-", ":", "-", "[", "", "]", "").Replace(address)
}
