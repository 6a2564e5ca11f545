package scenarios

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const twoSides = `messages: {per_machine_hour: 12}
service: {consumer.workers: 10}
as-was: {consumer.prefetch: unbounded}
signature: {message.over_limit: "> 0"}
`

func TestASideIsTheScenarioWithItsOwnSwitchesRatesAndLimits(t *testing.T) {
	s, err := Load("x.yaml", []byte(with(twoSides+`sides:
  - {name: sleep, title: it holds, set: {consumer.pause: 1s}, expect: {message.gap_max: "< 5s"}}
  - {name: sleep-10x, title: it does not, times: 10, set: {consumer.pause: 1s}, signature: {message.gap_max: "> 5s"}}`)), Known{})
	if err != nil {
		t.Fatal(err)
	}
	holds, fails := s.On(s.Sides[0]), s.On(s.Sides[1])
	if diff := cmp.Diff(map[string]string{"consumer.workers": "10", "consumer.pause": "1s"}, holds.Service); diff != "" {
		t.Error(diff)
	}
	if len(s.Service) != 1 {
		t.Errorf("the scenario's own switches became %v", s.Service)
	}
	if s.Sides[0].Fails() || holds.Expect["message.gap_max"].Text != "< 5s" || len(holds.Signature) != 0 || holds.Messages.PerMachineHour != 12 {
		t.Errorf("the side that holds: %+v", holds)
	}
	if !s.Sides[1].Fails() || fails.Signature["message.gap_max"].Text != "> 5s" || fails.Messages.PerMachineHour != 120 ||
		fails.Expect["loss.total"].Text != "== 0" {
		t.Errorf("the side that fails: %+v", fails)
	}
}

func TestSidesThatCannotBe(t *testing.T) {
	tests := []struct{ name, sides, want string }{
		{"neither passes nor fails", `sides: [{name: a, title: b}]`, "a must either pass or fail"},
		{
			"passes and fails", `sides: [{name: a, title: b, expect: {loss.total: "== 0"}, signature: {loss.total: "> 0"}}]`,
			"a must either pass or fail",
		},
		{"the name of another", `sides: [{name: hardened, title: b, expect: {loss.total: "== 0"}}]`, "has two sides hardened"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load("x.yaml", []byte(with(twoSides+tt.sides)), Known{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
