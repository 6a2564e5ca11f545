package chaos

import (
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/simulator/balancer"
	"github.com/lunchrush/lunchrush/simulator/mishap"
)

// openHTTP is a real balancer whose requests can go wrong, before one backend that answers everything.
func openHTTP(t *testing.T) *Target {
	t.Helper()
	b := newBalancer(t)
	return &Target{Name: "balancer", HTTP: &HTTP{URL: b.URL("public"), Let: func(m Mishap) (func(), error) {
		return b.AddFaults(balancer.Faults(mishap.Faults(m)))
	}}}
}

// httpSamples are the faults on single requests, as an author would write them.
var httpSamples = map[string][]map[string]string{
	"errors": {
		{"share": "100%"}, {"share": "10%", "status": "500", "code": "A004"},
	},
	"delays": {
		{"share": "100%", "by": "200ms"}, {"share": "10%", "by": "300ms", "jitter": "100ms"}, {"share": "50%", "by": "10s"},
	},
	"fail-first": {
		{"n": "1"}, {"n": "25", "status": "429", "code": "FREQUENCY_LIMITED"},
	},
	"hang": {
		nil, {"share": "25%"},
	},
}

func TestEveryFaultOnRequestsIsFeltWhileItLastsAndOnlyThen(t *testing.T) {
	for _, k := range Kinds() {
		if k.On != OnHTTP {
			continue
		}
		if len(httpSamples[k.Name]) == 0 {
			t.Errorf("%s: no sample of this fault: add one", k.Name)
		}
		for _, given := range httpSamples[k.Name] {
			t.Run(k.Name+" "+given["share"]+given["n"], func(t *testing.T) {
				t.Parallel()
				feltOnlyWhileInjected(t, openHTTP(t), k.Name, given)
			})
		}
	}
}

// Two faults on the same requests: each is felt, and the heal of one leaves the other.
func TestFaultsOnRequestsDoNotUndoEachOther(t *testing.T) {
	target := openHTTP(t)
	slow, err := New("delays", map[string]string{"share": "100%", "by": "100ms"})
	if err != nil {
		t.Fatal(err)
	}
	failing, err := New("errors", map[string]string{"share": "50%"})
	if err != nil {
		t.Fatal(err)
	}
	healSlow, err := slow.Inject(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	healFailing, err := failing.Inject(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	felt := func(f Fault, want bool) {
		t.Helper()
		if e, err := f.Felt(t.Context(), target); err != nil || e.Felt != want {
			t.Errorf("%s: %+v, %v", f, e, err)
		}
	}
	felt(slow, true)
	felt(failing, true)
	if err := healSlow(t.Context()); err != nil {
		t.Fatal(err)
	}
	felt(slow, false)
	felt(failing, true)
	if err := healFailing(t.Context()); err != nil {
		t.Fatal(err)
	}
	felt(failing, false)
}

func TestMistakesInAFaultOnRequests(t *testing.T) {
	tests := []struct {
		name, inject string
		given        map[string]string
		want         string
	}{
		{"no share", "errors", map[string]string{"share": "0.3"}, `share: "0.3" is no share like 30%`},
		{"a share that could not be measured", "errors", map[string]string{"share": "0.1%"}, "share: 0.1% is not between 1% and 100%"},
		{"an error that is none", "errors", map[string]string{"share": "5%", "status": "200"}, "status: 200 is not between 400 and 599"},
		{"a code in words", "errors", map[string]string{"share": "5%", "code": "busy now"}, `code: "busy now" is no code like A004`},
		{"a delay that could not be told from none", "delays", map[string]string{"share": "5%", "by": "5ms"}, "by: 5ms is not between 50ms and 5m0s"},
		{"none of the first", "fail-first", map[string]string{"n": "0"}, "n: 0 is not between 1 and 1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.inject, tt.given); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}
