//go:build !linux

package testbed

import (
	"errors"
	"runtime"
)

// errNotHeld is what asking for processors or memory limits gets where the system has no such thing.
var errNotHeld = errors.New("a process can be held to processors, priority and memory on Linux only")

func (p place) take() error {
	if p.processors != nil || p.nice != 0 {
		return errNotHeld
	}
	return nil
}

func (p place) wall(int) error {
	if p.data != 0 {
		return errNotHeld
	}
	return nil
}

// KeepTo is not to be had here.
func KeepTo([]int) (back func() error, err error) { return nil, errNotHeld }

// Processors are all of the machine's.
func Processors() ([]int, error) {
	list := make([]int, runtime.NumCPU())
	for n := range list {
		list[n] = n
	}
	return list, nil
}
