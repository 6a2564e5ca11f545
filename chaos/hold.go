package chaos

import (
	"context"
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

// holdToxic keeps chunks until it is interrupted, which is how Toxiproxy takes a toxic off, then lets them all go.
type holdToxic struct{}

// Pipe implements toxics.Toxic.
func (*holdToxic) Pipe(stub *toxics.ToxicStub) {
	var kept []*stream.StreamChunk
	bytes := 0
	for {
		input := stub.Input
		if bytes >= heldBytesMax {
			input = nil
		}
		select {
		case <-stub.Interrupt:
			release(stub, kept)
			return
		case chunk := <-input:
			if chunk == nil { // the sender hung up: nothing more to keep, but what is kept was sent before
				<-stub.Interrupt
				release(stub, kept)
				stub.Close()
				return
			}
			kept = append(kept, chunk)
			bytes += len(chunk.Data)
		}
	}
}

func release(stub *toxics.ToxicStub, kept []*stream.StreamChunk) {
	for _, chunk := range kept {
		stub.Output <- chunk
	}
}
