package main

import (
	"context"
	"errors"

	"github.com/lunchrush/lunchrush/scenarios"
)

// The exit codes. A pipeline may rely on them; docs/ARCHITECTURE.md lists them for users.
const (
	exitPass         = 0
	exitCannotRun    = 1   // the run could not be made: no testbed, a part that would not start
	exitRegression   = 96  // worse than the baseline
	exitInconclusive = 97  // the load was not what was planned, or there was nothing to judge
	exitInvariant    = 98  // money or data is wrong
	exitExpectation  = 99  // a limit was missed
	exitUsage        = 104 // a scenario file or a flag is wrong
	exitInterrupted  = 105
)

// A usageError is the caller's mistake; hint says what to do.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// A hintedError is a failure of the surroundings with advice.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// A verdictError carries the exit code of a judged run. What there is to say has been printed.
type verdictError struct{ code int }

func (e *verdictError) Error() string { return "the run did not pass" }

func exitCode(ctx context.Context, err error) int {
	var verdict *verdictError
	var usage *usageError
	var problems scenarios.Problems
	switch {
	case errors.As(err, &verdict):
		return verdict.code
	case errors.As(err, &usage), errors.As(err, &problems):
		return exitUsage
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		return exitInterrupted
	default:
		return exitCannotRun
	}
}
