package mishap

import (
	"testing"
	"time"
)

func TestTheFirstOfEachKindFail(t *testing.T) {
	d := New(1, "wechat")
	d.Set(Faults{FailFirst: 2, Status: 500, Code: "A004"})
	for _, tt := range []struct {
		name, kind string
		status     int
	}{
		{"the first create", "create", 500},
		{"the first query: another kind", "query", 500},
		{"the second create", "create", 500},
		{"the third create", "create", 0},
		{"the second query", "query", 500},
		{"the third query", "query", 0},
	} {
		if got := d.Throw(tt.kind); got.Status != tt.status {
			t.Errorf("%s: %+v, wanted status %d", tt.name, got, tt.status)
		}
	}
}

func TestFaultsAddUpAndAreTakenOffOneByOne(t *testing.T) {
	d := New(1, "wechat")
	slow := d.Add(Faults{DelayShare: 1, Delay: time.Second})
	slower := d.Add(Faults{DelayShare: 1, Delay: 2 * time.Second})
	if got := d.Throw(""); got != (Outcome{Delay: 3 * time.Second}) {
		t.Errorf("two delays: %+v", got)
	}
	slow()
	fail := d.Add(Faults{FailShare: 1, Status: 429})
	if got := d.Throw(""); got != (Outcome{Status: 429}) {
		t.Errorf("a failure: %+v", got)
	}
	fail()
	slower()
	if got := d.Throw(""); got != (Outcome{}) {
		t.Errorf("healed: %+v", got)
	}
}

func TestKindsWithoutEndCostNoMemoryWithoutEnd(t *testing.T) {
	d := New(1, "public")
	d.Set(Faults{FailFirst: 1})
	for i := range 3 * kindsMax {
		d.Throw(time.Duration(i).String())
	}
	if n := len(d.faults[0].failed); n > kindsMax+1 {
		t.Errorf("%d kinds are counted", n)
	}
}
