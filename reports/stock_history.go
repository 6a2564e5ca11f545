package reports

import (
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// historyLimit bounds each of porcupine's searches: what it cannot decide within it is not checked, and the report says so.
const historyLimit = 3 * time.Second

// What is said of the order of events.
const (
	historyOK         = "ok"
	historyIllegal    = "illegal"
	historyNotChecked = "not checked"
)

// A stockStep is one thing that was done to the units of an item.
type stockStep struct {
	units int
	kind  stepKind
}

type stepKind uint8

const (
	stepTake   stepKind = iota // units left
	stepMaybe                  // units left, or did not: nobody was told
	stepHold                   // units left, and will come back
	stepReturn                 // units came back
	stepRefuse                 // units did not suffice
	stepLeft                   // so many were left
)

// A stockState is what remains of an item, and what of the rest is only held.
type stockState struct{ left, held int }

// step gives the states that an item may be in afterwards; none when the step cannot have happened in s.
func (s stockState) step(step stockStep) []stockState {
	enough := s.left >= step.units
	taken := stockState{s.left - step.units, s.held}
	switch step.kind {
	case stepTake:
		if enough {
			return []stockState{taken}
		}
	case stepMaybe:
		if enough {
			return []stockState{s, taken}
		}
		return []stockState{s}
	case stepHold:
		if enough {
			return []stockState{{s.left - step.units, s.held + step.units}}
		}
	case stepReturn:
		if s.held >= step.units { // nothing comes back that was not taken
			return []stockState{{s.left + step.units, s.held - step.units}}
		}
	case stepRefuse:
		if !enough {
			return []stockState{s}
		}
	case stepLeft:
		if s.left == step.units {
			return []stockState{s}
		}
	}
	return nil
}

// stockModel is one item's stock. A take whose answer never came has two outcomes, and both are followed.
func stockModel(stock int) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{stockState{stock, 0}} },
		Step: func(state, input, _ any) []any {
			var next []any
			for _, s := range state.(stockState).step(input.(stockStep)) { //nolint:forcetypeassert // the model's own
				next = append(next, s)
			}
			return next
		},
		Equal: func(a, b any) bool { return a == b },
	}
	return model.ToModel()
}

// A stockAct is a step and when it was done: at one moment from the send to the answer. Seq is its place among the takes and
// returns of its item by the service's ledger; 0: the service does not tell.
type stockAct struct {
	stockStep
	from, till int64 // ns; till math.MaxInt64 without an answer
	seq        int64
}

// search lets porcupine look for an order in which the acts fit an item of so many units.
func search(stock int, acts []stockAct) porcupine.CheckResult {
	ops := make([]porcupine.Operation, len(acts))
	for i, a := range acts {
		ops[i] = porcupine.Operation{ClientId: i, Input: a.stockStep, Call: a.from, Return: min(a.till, math.MaxInt64-1)}
	}
	return porcupine.CheckOperationsTimeout(stockModel(stock), ops, historyLimit)
}
