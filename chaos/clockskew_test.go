package chaos

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// A host is a process with a clock that is read when it starts.
type host struct {
	*child
	next, offset time.Duration
	refuses      bool // to start with a wrong one
}

func (h *host) Start(ctx context.Context) error {
	if _, ok := h.Running(); ok {
		return nil
	}
	if h.refuses && h.next != 0 {
		return errors.New("no such offset")
	}
	h.offset = h.next
	return h.child.Start(ctx)
}

func (h *host) target() *Target {
	return &Target{Name: "front-1", Process: h, Clock: &Clock{
		Set: func(offset time.Duration) { h.next = offset },
		Now: func(context.Context) (time.Time, error) { return time.Now().Add(h.offset).Truncate(time.Second), nil },
	}}
}

func TestAClockSkewIsFeltWhileItLastsAndOnlyThen(t *testing.T) {
	for _, by := range []string{"10m", "-5s"} {
		h := &host{child: startChild(t)}
		feltOnlyWhileInjected(t, h.target(), "clock-skew", map[string]string{"by": by})
		if err := h.Ping(t.Context()); err != nil {
			t.Errorf("it does not answer after all: %v", err)
		}
	}
}

func TestAClockSkewThatCannotStartIsNotInjected(t *testing.T) {
	h := &host{child: startChild(t), refuses: true}
	fault, err := New("clock-skew", map[string]string{"by": "10m"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fault.Inject(t.Context(), h.target()); err == nil || !strings.Contains(err.Error(), "no such offset") {
		t.Errorf("got %v", err)
	}
	if err := h.Ping(t.Context()); err != nil || h.offset != 0 {
		t.Errorf("it is left with its clock %s off: %v", h.offset, err)
	}
}
