//go:build !linux

package harness

import (
	"errors"
	"io"
)

// apply: only Linux is known to give threads of a process precedence by one call each.
func (p *precedence) apply(bool) bool { return false }

// keepAwake: only Linux is known to leave that to a user.
func keepAwake() (io.Closer, error) { return nil, errors.ErrUnsupported }
