package balancer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A teller answers the registry's call back as a process of this identity and nonce.
func teller(t *testing.T, identity, nonce string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/internal/identity" {
			fmt.Fprintf(w, `{"identity":%q,"nonce":%q}`, identity, nonce)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func announce(t *testing.T, r *Registry, m Member) (status int, code string) {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(r.URL()+"/v1/instances", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var said struct{ Code string }
	_ = json.NewDecoder(res.Body).Decode(&said) // nothing is said to one that was taken
	return res.StatusCode, said.Code
}

func TestARegistryIsAsCredulousAsItIsAskedToBe(t *testing.T) {
	const nowhere = "127.0.0.1:1"
	old := teller(t, "front-1", "old")
	tests := []struct {
		name   string
		m      Member
		status int
		code   string
	}{
		{"one that answers where it says", Member{Identity: "front-2", Internal: teller(t, "front-2", "n"), Nonce: "n"}, 204, ""},
		{"one that does not answer", Member{Identity: "front-3", Internal: nowhere, Nonce: "n"}, 422, CodeUnreachable},
		{"another process answers there", Member{Identity: "front-3", Internal: teller(t, "front-3", "of another"), Nonce: "n"}, 422, CodeUnreachable},
		{"a second bearer of a living one's name", Member{Identity: "front-1", Internal: teller(t, "front-1", "n"), Nonce: "n"}, 409, CodeDuplicate},
		{"one that asks for no check is believed", Member{Identity: "front-4", Internal: nowhere}, 204, ""},
		{"even with a living one's name", Member{Identity: "front-1", Internal: nowhere}, 204, ""},
		{"an address on another machine", Member{Identity: "front-5", Internal: "192.0.2.1:80"}, 400, "MALFORMED"},
		{"nobody", Member{Internal: nowhere}, 400, "MALFORMED"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := NewRegistry(func(Member, bool) error { return nil }, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}()
			if status, code := announce(t, r, Member{Identity: "front-1", Roles: []string{"front"}, Public: nowhere, Internal: old, Nonce: "old"}); status != 204 {
				t.Fatalf("the first was answered %d %s", status, code)
			}
			tt.m.Roles, tt.m.Public = []string{"front"}, nowhere
			if status, code := announce(t, r, tt.m); status != tt.status || code != tt.code {
				t.Errorf("answered %d %s, want %d %s", status, code, tt.status, tt.code)
			}
		})
	}
}

func TestARegistryTellsWhoIsNew(t *testing.T) {
	var calls, repeats atomic.Int32
	refuse := errors.New("nobody lives there")
	r, err := NewRegistry(func(m Member, again bool) error {
		calls.Add(1)
		if again {
			repeats.Add(1)
		}
		if m.Identity == "ghost" {
			return refuse
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	at := "127.0.0.1:1"
	first := Member{Identity: "a", Roles: []string{"front"}, Public: at, Internal: at, StartedMS: 1}
	announce(t, r, first)
	announce(t, r, first)
	restarted := first
	restarted.StartedMS = 2
	announce(t, r, restarted)
	if calls.Load() != 3 || repeats.Load() != 1 {
		t.Errorf("%d calls, %d of one that had announced itself before; want 3 and 1", calls.Load(), repeats.Load())
	}
	if status, _ := announce(t, r, Member{Identity: "ghost", Roles: []string{"front"}, Public: at, Internal: at}); status != 422 {
		t.Errorf("one that was not wanted was answered %d", status)
	}
}
