package harness

import (
	"errors"
	"fmt"

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
