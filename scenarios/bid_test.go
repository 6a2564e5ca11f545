package scenarios

import (
	"strings"
	"testing"
	"time"
)

func TestABidIsRead(t *testing.T) {
	src := with(`bid: {units: 10000, buyers: 100, at: "11:30", over: 10s, amounts: "1000 85%, 3000 15%", decline: 3%, risk: 100ms}`)
	s, err := Load("x.yaml", []byte(src), Known{})
	if err != nil {
		t.Fatal(err)
	}
	b := s.Sale
	if b.Units != 10000 || b.Buyers != 100 || b.Over != 10*time.Second || b.Decline != 0.03 || b.Timeout != 5*time.Second ||
		b.Amounts.String() != "1000 85%, 3000 15%" || b.Amounts[1] != (AmountShare{3000, 0.15}) {
		t.Errorf("the bid is %+v", b)
	}
}

func TestABidThatCannotBe(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"shares that are not the whole", `bid: {units: 1, buyers: 1, at: "11:30", over: 1s, amounts: "1 50%"}`, "bid.amounts: the shares make 50%, not 100%"},
		{"an amount that is none", `bid: {units: 1, buyers: 1, at: "11:30", over: 1s, amounts: "x 100%"}`, "not a number of units"},
		{"outside the clock", `bid: {units: 1, buyers: 1, at: "10:30", over: 1s, amounts: "1 100%"}`, "bid.at: from 10:30 on 1s are more than the clock has"},
		{"too many a second", `bid: {units: 1, buyers: 50001, at: "11:30", over: 1s, amounts: "1 100%"}`, "bid.buyers"},
		{"no buyers", `bid: {units: 1, at: "11:30", over: 1s, amounts: "1 100%"}`, "bid.buyers: is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load("x.yaml", []byte(with(tt.line)), Known{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
