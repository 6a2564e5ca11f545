package harness

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// sortKilled takes out of the error of a service's last stop what is no error of the run: its books are collected by then,
// and a process that still works on what nobody waits for any more is killed. A reader should know.
func sortKilled(err error) (notes []string, rest error) {
	var killed *testbed.Killed
	switch joined := (interface{ Unwrap() []error })(nil); {
	case errors.As(err, &joined):
		var others []error
		for _, e := range joined.Unwrap() {
			said, other := sortKilled(e)
			notes, others = append(notes, said...), append(others, other)
		}
		return notes, errors.Join(others...)
	case errors.As(err, &killed):
		return []string{fmt.Sprintf("%s was still busy when the run was over and had been counted; it was killed", killed.Part)}, nil
	}
	return nil, err
}

// stubborn says which parts did not end when a fault told them to: they were killed, and what they still worked on is lost as
// with kill. A reader who sees that loss should know.
func (f *faults) stubborn(served deployed) (notes []string) {
	parts := slices.Clone(f.parts)
	if t, ok := served.(*town); ok {
		for _, i := range t.all("") { // those too that a fault has added
			if !slices.Contains(parts, i.part) {
				parts = append(parts, i.part)
			}
		}
	}
	for _, p := range parts {
		p.mu.Lock()
		n := p.killings
		p.mu.Unlock()
		switch note := p.name + " did not end in time when a fault stopped it, and was killed"; n {
		case 0:
		case 1:
			notes = append(notes, note)
		default:
			notes = append(notes, fmt.Sprintf("%s, %d times", note, n))
		}
	}
	slices.Sort(notes)
	return notes
}
