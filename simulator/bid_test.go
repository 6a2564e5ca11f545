package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

func TestBuyersOfABidComeEvenlyAndFailInEveryBranch(t *testing.T) {
	s := smallScenario()
	s.Sale = scenarios.Sale{
		Units: 10000, Buyers: 1000, At: s.Clock.From, Over: 10 * time.Second, Decline: 0.09, Timeout: time.Second,
		Amounts: scenarios.AmountList{{Units: 5, Share: 0.8}, {Units: 20, Share: 0.2}},
	}
	p := mustPlan(t, s, 3)
	amounts, branches := map[int]int{}, map[string]int{}
	for i, c := range p.Calls {
		if c.Kind != SendBid {
			t.Fatalf("call %s is a %s", c.Call, c.Kind)
		}
		amounts[c.N]++
		branches[c.Note]++
		if want := time.Duration(2*i+1) * 5 * time.Millisecond; c.Due != want {
			t.Errorf("buyer %d comes at %s, want %s", i, c.Due, want)
		}
		a, has := lenderOf(&c)
		fit := has && a.Verified && a.Adult && a.Agreed && !a.Frozen && c.N >= a.Minimum && (a.Limit == 0 || c.N <= a.Limit) && a.Balance >= c.N && c.Note != "RISK"
		if fit != (c.Note == "") {
			t.Errorf("a buyer who is to fail by %q has the account %+v", c.Note, a)
		}
	}
	if amounts[5] != 800 || amounts[20] != 200 || len(branches) != len(bidBranches)+1 {
		t.Errorf("amounts %v, branches %v", amounts, branches)
	}
	for _, b := range bidBranches {
		if branches[b] != 10 {
			t.Errorf("%d buyers fail by %s, want 10", branches[b], b)
		}
	}
}

func TestWhatABuyerIsTold(t *testing.T) {
	tests := []struct {
		name   string
		note   string // what he is to fail by
		status int
		body   string
		ok     bool
		why    string
	}{
		{"he has it", "", 201, `{"amount":5}`, true, ""},
		{"he has another amount", "", 201, `{"amount":4}`, false, ""},
		{"he has it, and was not to", "FROZEN", 201, `{"amount":5}`, false, ""},
		{"he fails as he was to", "FROZEN", 402, `{"code":"FROZEN"}`, true, "FROZEN"},
		{"he fails by another branch", "FROZEN", 402, `{"code":"RISK"}`, false, "RISK"},
		{"sold out", "", 409, `{"code":"SOLD_OUT"}`, true, "SOLD_OUT"},
		{"closed", "", 409, `{"code":"CLOSED"}`, false, "CLOSED"},
		{"no JSON", "", 502, `<html>`, false, "the answer is not JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sharesAnswer(&PlanCall{N: 5, Note: tt.note}, Answer{Status: tt.status, Body: []byte(tt.body)})
			if got.ok != tt.ok || got.note != tt.why {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestABuyerOfABidComesAgainWhenTheServiceIsOverloadedAndOnlyThen(t *testing.T) {
	shed := `503 {"code":"OVERLOADED"}`
	tests := []struct {
		name    string
		answers []string // the last one from then on
		want    []string // when he asked
	}{
		{"he has it", []string{`201 {"amount":5}`}, []string{"0s"}},
		{"overloaded twice", []string{shed, shed, `201 {"amount":5}`}, []string{"0s", "1s", "3s"}},
		{"overloaded, then sold out", []string{shed, `409 {"code":"SOLD_OUT"}`}, []string{"0s", "1s"}},
		{"busy is an answer of the bid", []string{`503 {"code":"BUSY"}`}, []string{"0s"}},
		{"he gives up at last", []string{shed}, []string{"0s", "1s", "3s", "7s", "15s", "31s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := &Plan{Calls: []PlanCall{{Call: "bid000001", Kind: SendBid, Subject: bidID + "/u000001", N: 5}}}
				r := newRig(t, plan, &scenarios.Scenario{})
				var mu sync.Mutex
				var asked []string
				r.service = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					var in struct {
						RequestID string `json:"request_id"`
					}
					if err := json.NewDecoder(q.Body).Decode(&in); err != nil || in.RequestID != "bid000001" {
						t.Errorf("asked as %q: %v", in.RequestID, err)
					}
					mu.Lock()
					status, body, _ := strings.Cut(tt.answers[min(len(asked), len(tt.answers)-1)], " ")
					asked = append(asked, r.now().String())
					mu.Unlock()
					code, err := strconv.Atoi(status)
					if err != nil {
						t.Error(err)
					}
					w.WriteHeader(code)
					fmt.Fprint(w, body)
				})
				b := &bid{caller: caller{st: r.stage}, timeout: 10 * time.Second}
				b.call(&plan.Calls[0], 0)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if !slices.Equal(asked, tt.want) || !b.idle() {
					t.Errorf("asked at %q, want %q; idle: %v", asked, tt.want, b.idle())
				}
			})
		})
	}
}
