package simulator

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// places gives each order a machine and a slot. A machine serves one buyer at a time, as a buyer standing in front of it
// does, for as long as there is a free one in the fleet; when all are taken the one that is free soonest queues him. So
// the load of a plan is the load that its fleet can carry, spread by chance.
type places struct {
	machine, slot *stream
	free          []int // machines without a buyer
	busy          busyMachines
	stock         []int32 // planned pieces left, machine*slots + slot
	slots         int
}

// turnaround is how long a machine stays taken after the goods have fallen: the result's way to the service and back to
// polling. Ours.
const turnaround = time.Second

func newPlaces(f scenarios.Fleet, machine, slot *stream) *places {
	p := &places{machine: machine, slot: slot, slots: f.Slots, free: make([]int, f.Machines), stock: make([]int32, f.Machines*f.Slots)}
	for i := range p.free {
		p.free[i] = i
	}
	for i := range p.stock {
		p.stock[i] = int32(f.Stock)
	}
	return p
}

// pick takes a machine from now until then. Orders must come by their due time.
func (p *places) pick(now, then time.Duration) (machine string, slot int) {
	for len(p.busy) > 0 && p.busy[0].until <= now {
		p.free = append(p.free, heap.Pop(&p.busy).(busyMachine).machine)
	}
	var m int
	if len(p.free) > 0 {
		i := p.machine.below(len(p.free))
		m = p.free[i]
		p.free[i] = p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
	} else {
		taken := heap.Pop(&p.busy).(busyMachine)
		m = taken.machine
		then += taken.until - now
	}
	heap.Push(&p.busy, busyMachine{until: then + turnaround, machine: m})

	// A slot with pieces left, if the machine has any: buyers do not press the button of an empty slot.
	stock := p.stock[m*p.slots : (m+1)*p.slots]
	first := p.slot.below(p.slots)
	for k := range stock {
		if s := (first + k) % p.slots; stock[s] > 0 {
			stock[s]--
			return machineName(m), s + 1
		}
	}
	return machineName(m), first + 1
}

// machineName is what the protocol calls machine i, from 0: "m00001".
func machineName(i int) string { return fmt.Sprintf("m%05d", i+1) }

type busyMachine struct {
	until   time.Duration
	machine int
}

// busyMachines is a heap by until, then by machine, so that its order is never left to chance.
type busyMachines []busyMachine

func (b busyMachines) Len() int { return len(b) }
func (b busyMachines) Less(i, j int) bool {
	if b[i].until != b[j].until {
		return b[i].until < b[j].until
	}
	return b[i].machine < b[j].machine
}
func (b busyMachines) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b *busyMachines) Push(x any)   { *b = append(*b, x.(busyMachine)) }
func (b *busyMachines) Pop() any {
	last := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return last
}
