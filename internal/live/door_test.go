package live

import (
	"errors"
	"net"
	"strings"
	"testing"
)

func TestAnAddressThatOthersCanReachWantsAToken(t *testing.T) {
	long := strings.Repeat("k", tokenLeast)
	tests := []struct{ name, addr, token, want string }{
		{"loopback", "127.0.0.1:7070", "", ""},
		{"another loopback address", "127.9.9.9:7070", "", ""},
		{"loopback of IPv6", "[::1]:7070", "", ""},
		{"localhost is 127.0.0.1, whatever it stands for", "localhost:7070", "", ""},
		{"all addresses", ":7070", "", "can be reached from other machines"},
		{"all addresses by their number", "0.0.0.0:7070", "", "can be reached from other machines"},
		{"all of IPv6", "[::]:7070", "", "can be reached from other machines"},
		{"one of the network", "192.0.2.7:7070", "", "can be reached from other machines"},
		{"with a token", "192.0.2.7:7070", long, ""},
		{"with a token that could be guessed", "192.0.2.7:7070", long[1:], "the token has 15 characters"},
		{"on loopback a token may be set too, and must be as long", "127.0.0.1:7070", "secret", "the token has 6 characters"},
		{"a name", "example.com:7070", long, `"example.com" is not an IP address`},
		{"no port", "127.0.0.1", "", "not an address with a port"},
		{"a port that is none", "127.0.0.1:http", "", `"http" is no port`},
		{"a port too high", "127.0.0.1:70000", "", `"70000" is no port`},
		{"nothing", "", "", "not an address with a port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newDoor(tt.addr, tt.token)
			var refused *Refusal
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) || refused.Hint == ""):
				t.Errorf("got %v, want %q and a hint", err, tt.want)
			}
		})
	}
}

func TestAPortThatIsTakenIsNoRefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Open(Config{Addr: l.Addr().String()})
	var refused *Refusal
	if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestThePageAnswersToAddressesOnly(t *testing.T) {
	tests := []struct {
		host            string
		loopback, other bool // whether a page there answers
	}{
		{"127.0.0.1:7070", true, true},
		{"localhost:7070", true, true},
		{"localhost", true, true},
		{"[::1]:7070", true, true},
		{"127.0.0.1:9999", true, true}, // of a tunnel
		{"192.0.2.7:7070", false, true},
		{"example.com:7070", false, false},
		{"127.0.0.1.example.com:7070", false, false},
		{"localhost.example.com", false, false},
		{"", false, false},
	}
	for _, tt := range tests {
		here, there := door{loopback: true}, door{}
		if got := here.named(tt.host); got != tt.loopback {
			t.Errorf("on loopback %q: %v", tt.host, got)
		}
		if got := there.named(tt.host); got != tt.other {
			t.Errorf("elsewhere %q: %v", tt.host, got)
		}
	}
}

// Whatever is taken without a token can be reached from this machine only.
func FuzzDoor(f *testing.F) {
	for _, addr := range []string{"127.0.0.1:7070", ":0", "[::1]:1", "localhost:7070", "0.0.0.0:1", "[::ffff:127.0.0.1]:1", "127.0.0.1:65536", "[fe80::1%lo]:1"} {
		f.Add(addr, "")
		f.Add(addr, "sixteen-letters-x")
	}
	f.Fuzz(func(t *testing.T, addr, token string) {
		d, err := newDoor(addr, token)
		if err != nil {
			return
		}
		host, _, err := net.SplitHostPort(d.addr)
		if err != nil {
			t.Fatalf("%q became %q: %v", addr, d.addr, err)
		}
		if ip := net.ParseIP(host); token == "" && (ip == nil || !ip.IsLoopback()) {
			t.Errorf("%q listens at %q and asks nobody", addr, d.addr)
		}
		if d.asks != (token != "") || token != "" && (!d.knows(token) || d.knows(token+"x")) {
			t.Errorf("the token %q is not asked for", token)
		}
	})
}
