package harness

import (
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
)

// A Room is how a machine's processors are shared out for a measurement of the service.
type Room struct {
	Held  testbed.Holding
	Own   []int  // the harness's processors; nil: all
	Apart bool   // nobody else runs where the service does
	Says  string // "the service has processors 0,1 to itself; ..."
}

// aside is how many processors the databases and the harness need beside the service's, if they are to be apart.
const aside = 2

// RoomFor shares out the processors for a service as the scenario states it. Where there are enough, the service gets its own
// and everybody else the rest. Where there are not, all share, and on the testbeds of child processes the parts
// give way to the harness: a load that is late would measure the harness instead. A service without a stated limit shares
// too, since it may have all.
func RoomFor(t scenarios.Topology, place string, processors []int) Room {
	var wants int
	if t.CPUs > 0 {
		wants = int(math.Ceil(t.CPUs * float64(processes(t))))
	}
	child := place != testbed.Containers
	r := Room{}
	r.Held.Wall = child && runtime.GOOS == "linux"
	memory := "not limited"
	if t.MemoryMiB > 0 {
		memory = fmt.Sprintf("held to %d MiB by its container", t.MemoryMiB)
		if child {
			memory = fmt.Sprintf("held to %d MiB of data by the kernel, and told so (GOMEMLIMIT)", t.MemoryMiB)
		}
	}
	switch {
	case runtime.GOOS != "linux":
		r.Says = "nobody is held to processors here: only Linux can"
	case wants > 0 && len(processors) >= wants+aside:
		r.Held.Service, r.Held.Ground = processors[:wants], processors[wants:]
		r.Own, r.Apart = r.Held.Ground, true
		r.Says = fmt.Sprintf("the service has %s of %d processors to itself (%s); its databases and the harness share the others",
			fmt.Sprint(wants), len(processors), list(r.Held.Service))
	case child:
		r.Held.Yield = true
		r.Says = fmt.Sprintf("service, databases and harness share all %d processors; the harness goes first", len(processors))
	default:
		r.Says = fmt.Sprintf("service, databases and harness share all %d processors", len(processors))
	}
	if wants > 0 && !r.Apart {
		r.Says += fmt.Sprintf(": %d of its own beside %d for them would take %d", wants, aside, wants+aside)
	}
	r.Says += "; its memory is " + memory
	return r
}

func list(processors []int) string { return strings.Trim(fmt.Sprint(processors), "[]") }

// processes is how many the service is deployed as.
func processes(t scenarios.Topology) int {
	if !several(t) {
		return 1
	}
	n := 0
	for _, role := range rolesInOrder {
		n += count(t, role)
	}
	return n
}

// serviceParts are the testbed's names of the service's processes.
func serviceParts(t scenarios.Topology) []testbed.Part {
	if !several(t) {
		return []testbed.Part{"service"}
	}
	var parts []testbed.Part
	for _, role := range rolesInOrder {
		for i := range count(t, role) {
			parts = append(parts, testbed.Part(instanceName(role, i+1)))
		}
	}
	return parts
}
