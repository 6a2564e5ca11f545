package chaos

import (
	"context"
	"fmt"
	"time"
)

// add starts one more instance of a role while the run goes on, and takes it away again when it is healed: a server that
// is put up before the peak, or in it. Nobody tells the balancer but the instance itself. With image: clone it stands on a
// copy of the role's first server, hosts file and host name included, as a server does that was made from its image.
type add struct {
	image string

	added Process // nil while there is none
}

const (
	imageOwn   = "own"
	imageClone = "clone"
)

// A Role is the instances of one kind as faults see them.
type Role struct {
	// Add starts one instance more and returns when it says that it is ready. A cloned one has the host name and the hosts
	// file of the role's first. Remove ends it in order, and takes it from the balancer if it is there.
	Add    func(ctx context.Context, cloned bool) (Process, error)
	Remove func(ctx context.Context) error
}

var addKind = Kind{
	Name:    "add",
	On:      OnRole,
	What:    "one instance more, which must make itself known: a server put up in haste. It is taken away when the fault ends",
	Params:  map[string]string{"image": imageOwn},
	Example: `{at: "11:56", for: 60s, on: front, inject: add, image: clone}`,
	make: func(p params) (Fault, error) {
		image, err := p.oneOf("image", imageOwn, imageClone)
		if err != nil {
			return nil, err
		}
		return &add{image: image}, nil
	},
}

func (f *add) String() string {
	if f.image == imageClone {
		return "add an instance from a cloned image"
	}
	return "add an instance"
}

// Inject implements Fault.
func (f *add) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	added, err := t.Role.Add(ctx, f.image == imageClone)
	if err != nil {
		return nil, err
	}
	f.added = added
	return func(ctx context.Context) error {
		f.added = nil
		return t.Role.Remove(ctx)
	}, nil
}

// Felt wants the new instance to answer, beside the balancer: whether anything is sent to it is another matter.
func (f *add) Felt(ctx context.Context, t *Target) (Evidence, error) {
	if f.added == nil {
		return Evidence{Text: "there is no instance of " + t.Name + " more"}, nil
	}
	pingCtx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := f.added.Ping(pingCtx); err != nil {
		return Evidence{Text: fmt.Sprintf("the new instance does not answer: %v", err)}, nil
	}
	return Evidence{Felt: true, Text: "the new instance answers"}, nil
}
