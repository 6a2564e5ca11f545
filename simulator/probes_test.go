package simulator

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator/paysign"
)

func TestProbes(t *testing.T) {
	tests := []struct {
		name   string
		status int
		ok     bool
	}{
		{"a probe refused with 401 is well", 401, true},
		{"a probe refused with 422 is well", 422, true},
		{"a probe that is taken is not", 200, false},
		{"a probe that breaks the service is not", 500, false},
	}
	if _, err := platformKeys(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, planOf(), nil)
				r.service = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.status) })
				cs := quietChannels(t, r)
				defer cs.Close()
				planned := 0
				for _, channel := range []string{wechatName, alipayName} {
					for _, kind := range paysign.Kinds(channel) {
						planned++
						cs.probe(PlanProbe{Channel: channel, Kind: string(kind)}, time.Duration(planned)*time.Minute)
					}
				}
				time.Sleep(24 * time.Hour)
				sends, intents, answers := r.sends(SendProbe), r.booked(runlog.ProbeIntent), r.booked(runlog.ProbeAnswer)
				if len(sends) != planned || len(intents) != planned || len(answers) != planned {
					t.Fatalf("%d sends, %d intents, %d answers of %d", len(sends), len(intents), len(answers), planned)
				}
				for i, s := range sends {
					if want := time.Duration(i+1) * time.Minute; s.Due != want || s.at != want {
						t.Errorf("probe %d was due at %v and left at %v, want %v", i, s.Due, s.at, want)
					}
				}
				for i, rec := range answers {
					if rec.OK != tt.ok || rec.Status != tt.status || rec.Note != intents[i].Note || rec.ID != intents[i].ID {
						t.Errorf("booked %+v", rec)
					}
				}
			})
		})
	}
}

// A probe is about an order that can be paid and is not: goods that fall for it give a lenient service away.
func TestProbePretendsToBeAboutAnUnpaidOrder(t *testing.T) {
	if _, err := platformKeys(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, planOf(PlanOrder{Key: "o1", Again: -1}), nil)
		cs := quietChannels(t, r)
		defer cs.Close()
		for _, order := range []string{"A1", "A2"} {
			if _, err := cs.wechat.prepay(order, "o1", 350, 0); err != nil {
				t.Fatal(err)
			}
		}
		cs.probe(PlanProbe{Channel: wechatName, Kind: string(paysign.Forged)}, time.Second)
		time.Sleep(time.Minute)
		if _, err := cs.pay("A2", wechatName); err != nil {
			t.Fatal(err)
		}
		cs.probe(PlanProbe{Channel: wechatName, Kind: string(paysign.Forged)}, 2*time.Minute)
		time.Sleep(2 * time.Minute)
		probes := r.booked(runlog.ProbeIntent)
		if len(probes) != 2 || probes[0].Order != "A2" || probes[1].Order == "A2" {
			t.Errorf("probes are about %+v, want A2 and, once it is paid, another", probes)
		}
	})
}
