package live

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"strconv"
	"strings"

	"golang.org/x/net/netutil"
)

// A Refusal is what is wrong with the address or the token that the page was asked to have.
type Refusal struct{ What, Hint string }

func (r *Refusal) Error() string { return r.What }

// tokenLeast is the shortest token that is taken. 16 characters of a random word are more than anybody guesses over a network.
const tokenLeast = 16

// connectionsMost bounds the page's connections: what it uses is the load generator's.
const connectionsMost = 64

// A door is where the page is reached, and who may come in.
type door struct {
	addr     string
	loopback bool
	token    [sha256.Size]byte // digest; of one length, so that a comparison tells nothing of the token's
	asks     bool              // for the token
}

func newDoor(addr, token string) (door, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return door{}, &Refusal{fmt.Sprintf("%q is not an address with a port", addr), "such as 127.0.0.1:7070; port 0 takes a free one"}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return door{}, &Refusal{fmt.Sprintf("%q is no port", port), "0 to 65535; 0 takes a free one"}
	}
	if host == "localhost" {
		host = "127.0.0.1" // what a name stands for can change
	}
	ip := net.ParseIP(host)
	if host != "" && ip == nil {
		return door{}, &Refusal{fmt.Sprintf("%q is not an IP address", host), "such as 127.0.0.1:7070"}
	}
	d := door{addr: net.JoinHostPort(host, port), loopback: ip.IsLoopback(), asks: token != "", token: sha256.Sum256([]byte(token))}
	switch {
	case !d.asks && !d.loopback:
		return door{}, &Refusal{
			fmt.Sprintf("%s can be reached from other machines, and whoever does could stop and break the run", addr),
			fmt.Sprintf("take a loopback address, or set a token of %d characters or more (LUNCHRUSH_UI_TOKEN)", tokenLeast),
		}
	case d.asks && len(token) < tokenLeast:
		return door{}, &Refusal{fmt.Sprintf("the token has %d characters: it could be guessed", len(token)), fmt.Sprintf("%d or more", tokenLeast)}
	}
	return d, nil
}

func (d door) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		return nil, err
	}
	return netutil.LimitListener(l, connectionsMost), nil
}

// knows reports whether somebody's token is the page's, in a time that tells nothing of it.
func (d door) knows(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], d.token[:]) == 1
}

// named reports whether the page answers to the host that a request names. A page of somebody else's could make its own name
// lead here, and a browser then would let it read; no name of others' is answered to, only addresses. On loopback it must
// be a loopback one; the port may be another, of a tunnel.
func (d door) named(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && (!d.loopback || ip.IsLoopback())
}
