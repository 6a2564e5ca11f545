package testbed

import (
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
)

// A Holding keeps the service, what it stands on and the harness out of each other's way, for a measurement of one of them.
// The zero value holds nobody.
type Holding struct {
	Service []int // processors of the service's processes, by number; nil: all
	Ground  []int // of the databases; nil: all

	// Yield lets the harness go first where parts and harness share processors: a load that is late measures the harness.
	// Only child processes can: a container's priority is the engine's business.
	Yield bool

	// Wall makes [ServiceSpec.MemoryMiB] a limit in child processes, too: more data than that and they are refused memory.
	Wall bool
}

// A place is where one part runs.
type place struct {
	processors []int // nil: all
	nice       int
	data       uint64 // bytes; 0: no limit
}

func (p place) anywhere() bool { return p.processors == nil && p.nice == 0 }

// yielding is the niceness of parts that let the harness go first: a tenth of its weight.
const yielding = 10

func (h Holding) nice() int {
	if h.Yield {
		return yielding
	}
	return 0
}

// ground is where a database runs.
func (h Holding) ground() place { return place{processors: h.Ground, nice: h.nice()} }

// service is where a process of the service runs.
func (h Holding) service(s ServiceSpec) place {
	p := place{processors: h.Service, nice: h.nice()}
	if h.Wall && s.MemoryMiB > 0 {
		p.data = uint64(s.MemoryMiB) << 20
	}
	return p
}

// seat holds a container to its processors.
func (p place) seat(r *container.Resources) {
	if p.processors != nil {
		r.CpusetCpus = processorList(p.processors)
	}
}

// processorList writes processors as the kernel does: "0,2,3".
func processorList(processors []int) string {
	sorted := slices.Sorted(slices.Values(processors))
	texts := make([]string, len(sorted))
	for i, n := range sorted {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}
