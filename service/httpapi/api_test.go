package httpapi

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// keyStore is a catalogue of one machine's key.
type keyStore struct {
	service.Catalogue
	key   []byte
	reads int
	err   error
}

func (s *keyStore) MachineKey(_ context.Context, machineID string) ([]byte, error) {
	s.reads++
	if s.err != nil {
		return nil, s.err
	}
	if machineID != "m1" {
		return nil, service.ErrNotFound
	}
	return s.key, nil
}

func TestAuthenticate(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	key := []byte("0123456789abcdef")
	const target = "/v1/machines/m1/commands?wait=25s&last="
	sign := func(name string, at time.Time, method, uri string, body string) string {
		ms := strconv.FormatInt(at.UnixMilli(), 10)
		return "LR-HMAC " + name + ":" + ms + ":" + hex.EncodeToString(signature(key, ms, method, uri, []byte(body)))
	}
	tests := []struct {
		name   string
		header string
		ok     bool
	}{
		{"a request signed by its machine", sign("m1", now, "GET", target, ""), true},
		{"almost five minutes ago", sign("m1", now.Add(-5*time.Minute), "GET", target, ""), true},
		{"more than five minutes ago", sign("m1", now.Add(-5*time.Minute-time.Millisecond), "GET", target, ""), false},
		{"more than five minutes ahead", sign("m1", now.Add(5*time.Minute+time.Millisecond), "GET", target, ""), false},
		{"signed by another machine", sign("m2", now, "GET", target, ""), false},
		{"for another path", sign("m1", now, "GET", "/v1/machines/m1/results", ""), false},
		{"for another query", sign("m1", now, "GET", target+"c1", ""), false},
		{"for another method", sign("m1", now, "POST", target, ""), false},
		{"for another body", sign("m1", now, "GET", target, "{}"), false},
		{"no header", "", false},
		{"another scheme", "Basic bTE6eA==", false},
		{"no parts", "LR-HMAC ", false},
		{"too many parts", sign("m1", now, "GET", target, "") + ":00", false},
		{"a time that is none", "LR-HMAC m1:now:00", false},
		{"a time beyond all", "LR-HMAC m1:99999999999999999999:00", false},
		{"a signature that is no hex", "LR-HMAC m1:1700000000000:zz", false},
		{"an empty signature", "LR-HMAC m1:1700000000000:", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k := newKeyring(&keyStore{key: key}, func() time.Time { return now })
			r := httptest.NewRequest(http.MethodGet, target, nil)
			r.Header.Set("Authorization", test.header)
			err := k.authenticate(r, "m1", nil)
			if (err == nil) != test.ok {
				t.Errorf("error %v", err)
			}
			if err != nil && failureOf(err).status != http.StatusUnauthorized {
				t.Errorf("answered %d", failureOf(err).status)
			}
		})
	}
}

func TestTheKeyringSparesTheDatabase(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	store := &keyStore{key: []byte("k")}
	k := newKeyring(store, func() time.Time { return now })
	for range 10 {
		if key, err := k.find(t.Context(), "m1"); err != nil || string(key) != "k" {
			t.Fatal(key, err)
		}
		if key, err := k.find(t.Context(), "made-up"); err != nil || key != nil {
			t.Fatal(key, err)
		}
	}
	if store.reads != 2 {
		t.Errorf("%d reads", store.reads)
	}
	now = now.Add(2 * time.Second)
	_, _ = k.find(t.Context(), "made-up") // it may have been added
	if store.reads != 3 {
		t.Errorf("%d reads after two seconds", store.reads)
	}
	store.key = []byte("new")
	k.forget()
	if key, _ := k.find(t.Context(), "m1"); string(key) != "new" {
		t.Errorf("key %q after it changed", key)
	}
	store.err = errors.New("down")
	k.forget()
	if _, err := k.find(t.Context(), "m1"); err == nil || failureOf(err).status != http.StatusServiceUnavailable {
		t.Errorf("error %v: a database that is down is not the machine's fault", err)
	}
}

// Ids that no machine has must cost neither memory nor the keys of those that have one.
func TestAFloodOfMadeUpIDsIsBounded(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	store := &keyStore{key: []byte("k")}
	k := newKeyring(store, func() time.Time { return now })
	_, _ = k.find(t.Context(), "m1")
	for i := range maxUnknown + 10 {
		_, _ = k.find(t.Context(), "made-up-"+strconv.Itoa(i))
	}
	if n := len(k.keys) + len(k.unknown); n > maxUnknown+1 {
		t.Errorf("%d remembered", n)
	}
	before := store.reads
	if key, err := k.find(t.Context(), "m1"); err != nil || string(key) != "k" || store.reads != before {
		t.Errorf("key %q, error %v, read anew: %v", key, err, store.reads != before)
	}
	long := strings.Repeat("x", 5000)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "LR-HMAC "+long+":"+strconv.FormatInt(now.UnixMilli(), 10)+":00")
	before = store.reads
	if err := k.authenticate(r, long, nil); err == nil || store.reads != before {
		t.Errorf("error %v; an id that is none was looked for", err)
	}
}

// An id may hold colons, as the credentials do.
func TestAMachineWhoseIDHoldsAColon(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	k := newKeyring(colonStore{}, func() time.Time { return now })
	const target = "/v1/machines/cn:sh:7/commands"
	ms := strconv.FormatInt(now.UnixMilli(), 10)
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Authorization", "LR-HMAC cn:sh:7:"+ms+":"+hex.EncodeToString(signature([]byte("k"), ms, "GET", target, nil)))
	if err := k.authenticate(r, "cn:sh:7", nil); err != nil {
		t.Error(err)
	}
}

type colonStore struct{ service.Catalogue }

func (colonStore) MachineKey(context.Context, string) ([]byte, error) { return []byte("k"), nil }

func TestAChangedKeyIsTakenAndForgeriesSpareTheDatabase(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	store := &keyStore{key: []byte("old")}
	k := newKeyring(store, func() time.Time { return now })
	ask := func(key string) error {
		const target = "/v1/machines/m1/commands"
		r := httptest.NewRequest(http.MethodGet, target, nil)
		ms := strconv.FormatInt(now.UnixMilli(), 10)
		r.Header.Set("Authorization", "LR-HMAC m1:"+ms+":"+hex.EncodeToString(signature([]byte(key), ms, "GET", target, nil)))
		return k.authenticate(r, "m1", nil)
	}
	if err := ask("old"); err != nil || store.reads != 1 {
		t.Fatalf("error %v, %d reads", err, store.reads)
	}
	store.key = []byte("new")
	for range 100 {
		if ask("new") == nil || ask("forged") == nil {
			t.Fatal("taken within a moment of the old key's reading")
		}
	}
	if store.reads != 1 {
		t.Errorf("%d reads for 200 wrong signatures", store.reads)
	}
	now = now.Add(keyDoubt)
	if err := ask("new"); err != nil || store.reads != 2 {
		t.Errorf("the new key: error %v, %d reads", err, store.reads)
	}
	if ask("old") == nil {
		t.Error("the old key is still taken")
	}
	now = now.Add(keyTTL / 3)
	if err := ask("new"); err != nil || store.reads != 2 {
		t.Errorf("after %s: error %v, %d reads", keyTTL/3, err, store.reads)
	}
}

func FuzzAuthenticate(f *testing.F) {
	f.Add("LR-HMAC m1:1700000000000:00", "/v1/machines/m1/commands")
	f.Add("LR-HMAC :::", "/")
	k := newKeyring(&keyStore{key: []byte("secret")}, time.Now)
	f.Fuzz(func(t *testing.T, header, uri string) {
		r := &http.Request{Method: http.MethodGet, RequestURI: uri, Header: http.Header{"Authorization": {header}}}
		if k.authenticate(r, "m1", nil) == nil {
			t.Errorf("%q was taken", header)
		}
	})
}

func TestPollQuery(t *testing.T) {
	tests := []struct {
		name, query string
		wait        time.Duration
		last        string
		bad         bool
	}{
		{"as the protocol says", "wait=25s&last=c-1", 25 * time.Second, "c-1", false},
		{"nothing", "", 25 * time.Second, "", false},
		{"at most a minute", "wait=1h", time.Minute, "", false},
		{"not below nothing", "wait=-5s", 0, "", false},
		{"seconds without a unit", "wait=7", 7 * time.Second, "", false},
		{"no duration", "wait=soon", 0, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wait, last, err := pollQuery(&url.URL{RawQuery: test.query})
			if wait != test.wait || last != test.last || (err != nil) != test.bad {
				t.Errorf("%s %q %v", wait, last, err)
			}
		})
	}
}

func TestAPanicIsAnswered(t *testing.T) {
	var log strings.Builder
	mux := http.NewServeMux()
	mux.HandleFunc("GET /boom", func(http.ResponseWriter, *http.Request) { panic("ouch") })
	h := watched(mux, service.NewMetrics(), slog.New(slog.NewJSONHandler(&log, nil)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/boom", nil))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"INTERNAL"`) || strings.Contains(w.Body.String(), "ouch") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "ouch") {
		t.Error("not logged")
	}
}

func TestChannelsAreAnsweredInTheirWords(t *testing.T) {
	tests := []struct {
		name    string
		channel service.Channel
		status  int
		body    string
	}{
		{"WeChat, taken: no body", service.WeChat, 200, ""},
		{"WeChat, refused", service.WeChat, 401, `{"code":"FAIL","message":"why"}` + "\n"},
		{"Alipay, taken: exactly success", service.Alipay, 200, "success"},
		{"Alipay, refused", service.Alipay, 422, "fail"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			answerChannel(w, test.channel, test.status, "why")
			if w.Code != test.status || w.Body.String() != test.body {
				t.Errorf("%d %q", w.Code, w.Body)
			}
		})
	}
}

func TestMachinesThatAreRefused(t *testing.T) {
	good := service.Machine{ID: "m1", KeyHex: strings.Repeat("ab", 16), Slots: []service.Slot{{Slot: 1, PriceFen: 1}}}
	spoilt := func(spoil func(*service.Machine)) service.Machine {
		m := good
		m.Slots = []service.Slot{good.Slots[0]}
		spoil(&m)
		return m
	}
	tests := []struct {
		name string
		m    service.Machine
		ok   bool
	}{
		{"a machine", good, true},
		{"no id", spoilt(func(m *service.Machine) { m.ID = "" }), false},
		{"an id with a slash", spoilt(func(m *service.Machine) { m.ID = "a/b" }), false},
		{"a short key", spoilt(func(m *service.Machine) { m.KeyHex = "ab" }), false},
		{"a key that is no hex", spoilt(func(m *service.Machine) { m.KeyHex = strings.Repeat("zz", 16) }), false},
		{"goods for nothing", spoilt(func(m *service.Machine) { m.Slots[0].PriceFen = 0 }), false},
		{"a stock below nothing", spoilt(func(m *service.Machine) { m.Slots[0].Stock = -1 }), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := checkMachines([]service.Machine{test.m}); (err == nil) != test.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAPeerThatCanNotBeReachedIsPassedOver(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"result":"dispatched","finished":true}`)
	}))
	defer up.Close()
	p := NewPeer([]string{"http://127.0.0.1:1", up.URL}, time.Second)
	for range 4 {
		if result, err := p.PayCallback(t.Context(), 1); err != nil || result.Result != service.ResultDispatched || !result.Finished {
			t.Errorf("%+v %v", result, err)
		}
	}
}

// One notifier hangs. The machine waits at the other, which is woken all the same.
func TestEveryNotifierIsWokenAtOnce(t *testing.T) {
	var woken atomic.Int32
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		woken.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer up.Close()
	release := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hung.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := NewPeer([]string{hung.URL, up.URL}, time.Minute).Wake(ctx, "m1", "c1"); err == nil || woken.Load() != 1 {
		t.Errorf("woken %d times, error %v", woken.Load(), err)
	}
}

func TestAPeersErrorsAreTheirCodes(t *testing.T) {
	tests := []struct {
		name string
		err  error
	}{
		{"not payable", service.ErrNotPayable},
		{"overloaded", service.ErrOverloaded},
		{"unknown machine", service.ErrUnknownMachine},
		{"unknown slot", service.ErrUnknownSlot},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := failureOf(test.err)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, f.status, f) }))
			defer s.Close()
			if _, err := NewPeer([]string{s.URL}, time.Second).PayCallback(t.Context(), 1); !errors.Is(err, test.err) {
				t.Errorf("error %v", err)
			}
		})
	}
}
