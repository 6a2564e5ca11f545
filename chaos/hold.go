package chaos

import (
	"context"
	"fmt"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// hold keeps every byte of a link and releases them all at once when it is healed: a load balancer that stops forwarding
// but keeps its connections, a switch that reboots. What waited then arrives together, which is the real trouble.
type hold struct{}

var holdKind = Kind{
	Name:    "hold",
	On:      OnLink,
	What:    "bytes wait, and arrive all together when it ends: a balancer or a network that freezes",
	Params:  map[string]string{},
	Example: `{at: "11:56", for: 60s, on: mysql, inject: hold}`,
	make:    func(params) (Fault, error) { return hold{}, nil },
}

func (hold) String() string { return "hold" }

func (hold) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.Link.addBoth("lunchrush_hold", struct{}{})
}

func (hold) Felt(ctx context.Context, t *Target) (Evidence, error) {
	return silent(ctx, t.Link, "held", 500*time.Millisecond)
}

// heldBytesMax is what one direction of one connection may keep. Past it the link stops reading, and the sender's window
// closes, as it does at a frozen peer.
const heldBytesMax = 1 << 20

// holdToxic keeps chunks until it is ended, then lets them all go. Toxiproxy interrupts it for other reasons too, such as another toxic
// that comes or goes on the same link: what is kept is a state that outlives that. And it loses sight of a connection whose client has
// hung up when another toxic goes, so that being taken off is not what ends a hold.
type holdToxic struct{ over chan struct{} }

// UnmarshalJSON makes the toxic: Toxiproxy reads its attributes, of which there are none, before it is on any connection.
func (t *holdToxic) UnmarshalJSON([]byte) error {
	t.over = make(chan struct{})
	return nil
}

// end lets all go that is kept. It is called once, before the toxic is taken off.
func (t *holdToxic) end() { close(t.over) }

// kept is what one direction of one connection has waiting.
type kept struct {
	chunks []*stream.StreamChunk
	bytes  int
	ended  bool // the sender hung up: nothing more comes, but what is kept was sent before
}

// NewState implements toxics.StatefulToxic.
func (*holdToxic) NewState() any { return new(kept) }

// Pipe implements toxics.Toxic.
func (t *holdToxic) Pipe(stub *toxics.ToxicStub) {
	k, ok := stub.State.(*kept)
	if !ok {
		panic(fmt.Sprintf("a hold with the state %T", stub.State))
	}
	for {
		input := stub.Input
		if k.ended || k.bytes >= heldBytesMax {
			input = nil
		}
		select {
		case <-stub.Interrupt:
			return
		case <-t.over:
			k.release(stub)
			if !stub.Closed() {
				new(toxics.NoopToxic).Pipe(stub)
			}
			return
		case chunk := <-input:
			if chunk == nil {
				k.ended = true
				continue
			}
			k.chunks = append(k.chunks, chunk)
			k.bytes += len(chunk.Data)
		}
	}
}

// releasePatience is how long a receiver may take for one chunk. One that has hung up takes none, and Toxiproxy, whose lock
// is held here, could not even be told so.
const releasePatience = 5 * time.Second

// release passes on what is kept.
func (k *kept) release(stub *toxics.ToxicStub) {
	for _, chunk := range k.chunks {
		if stub.WriteOutput(chunk, releasePatience) != nil {
			stub.Close()
			return
		}
	}
	*k = kept{ended: k.ended}
	if k.ended {
		stub.Close()
	}
}

// Cleanup implements toxics.CleanupToxic: it is called when the toxic is taken off, and only then, of a connection whose Pipe was
// interrupted before it saw the end.
func (*holdToxic) Cleanup(stub *toxics.ToxicStub) {
	if k, ok := stub.State.(*kept); ok {
		k.release(stub)
	}
}
