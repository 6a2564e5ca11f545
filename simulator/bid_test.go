package simulator

import (
	"testing"
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
