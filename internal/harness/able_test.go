package harness

import (
	"testing"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
)

// bareStack is a testbed that is only called something.
type bareStack struct {
	testbed.Stack
	name string
}

func (s bareStack) Name() string { return s.name }

// lastingStack is one whose databases can be started again.
type lastingStack struct {
	bareStack
	testbed.Restarter
}

func (lastingStack) Keeps(testbed.Part) bool { return true }

// Prove skips what a testbed can not carry by what a scenario needs, before anything is started; a fault that is refused later is an
// error.
func TestAScenarioWhoseFaultsATestbedCanNotMakeSaysWhatItNeeds(t *testing.T) {
	list, err := scenarios.Catalogue(Known())
	if err != nil {
		t.Fatal(err)
	}
	var refused int
	for _, stack := range []testbed.Stack{
		bareStack{name: testbed.Embedded}, lastingStack{bareStack: bareStack{name: testbed.Local}},
	} {
		for _, sc := range list {
			for _, f := range sc.Faults {
				err := unable(stack, f.On, f.Inject)
				if err == nil {
					continue
				}
				refused++
				if testbed.Unmet(stack.Name(), sc.Needs) == nil {
					t.Errorf("%s needs %v, which the %s testbed has, but %v", sc.Name, sc.Needs, stack.Name(), err)
				}
			}
		}
	}
	if refused == 0 {
		t.Error("no fault of the catalogue was refused by any testbed: this test has nothing to look at")
	}
}
