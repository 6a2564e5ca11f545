package harness

import (
	"context"
	"errors"
	"slices"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// A bystander is a database or a Redis that no fault may end. Its death is nobody's wish: what the service loses with it must
// not be blamed on the service.
type bystander struct {
	name     testbed.Part
	instance testbed.Instance
}

// attend watches what stands under the service, but for what grip has taken hold of: a part tells by itself which of its
// deaths a fault has ordered.
func (f *faults) attend(stack testbed.Stack) {
	for _, name := range []testbed.Part{testbed.PartMySQL, testbed.PartReplica, testbed.PartCache, testbed.PartQueue} {
		held := slices.ContainsFunc(f.parts, func(p *part) bool { return p.name == string(name) })
		if i := stack.Part(name); i != nil && !held {
			f.bystanders = append(f.bystanders, bystander{name, i})
		}
	}
}

// death waits for its end; nil when ctx is done before.
func (b bystander) death(ctx context.Context) error {
	select {
	case <-b.instance.Exited():
		return &death{string(b.name), errors.Join(b.instance.Err(), errors.New("nobody had ordered it"))}
	case <-ctx.Done():
		return nil
	}
}
