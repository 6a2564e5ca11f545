package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Ports for programs that cannot be given port 0. They lie below the range that the kernel takes outgoing ports from
// (32768 and up on Linux): in that range a connection of anybody's can take the port between our look and their bind.
const (
	firstPort = 15000
	lastPort  = 32000
)

// freePort returns a loopback port that nobody listens on at this moment. Somebody else may take it before it is used:
// whoever uses it looks for that and asks again.
func freePort() (int, error) {
	const tries = 100
	for range tries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port between %d and %d in %d tries", firstPort, lastPort, tries)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// errPortTaken is a start that failed because somebody else took the port.
var errPortTaken = errors.New("port was taken by somebody else")

// clashes are what MariaDB and Redis end with when their port is taken. Of a socket that is taken MariaDB says "on socket", which another
// port does not cure.
var clashes = []string{"address already in use", "failed listening on port", "do you already have another server running on port"}

// clash marks an error that says that the port was taken.
func clash(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	if slices.ContainsFunc(clashes, func(words string) bool { return strings.Contains(text, words) }) {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}

// withFreePort calls start with one free port after the other until it does not clash.
func withFreePort(start func(port int) error) error {
	const tries = 5
	var err error
	for range tries {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		if err = start(port); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return fmt.Errorf("%w, %d times", err, tries)
}
