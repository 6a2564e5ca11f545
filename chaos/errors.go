package chaos

import (
	"context"
	"fmt"
	"time"
)

// failShare answers a share of requests with an error, each drawn by itself: an upstream with a sick instance among healthy
// ones, a channel that is overloaded and says so, an acquirer that keeps answering A004. What fails has had no effect.
type failShare struct {
	share  float64
	status int
	code   string
}

var errorsKind = Kind{
	Name:    "errors",
	On:      OnHTTP,
	What:    "a share of requests is answered with an error: a sick instance, a channel that keeps answering A004",
	Params:  map[string]string{"share": "", "status": "503", "code": "FAULT"},
	Example: `{at: "11:56", for: 60s, on: alipay, inject: errors, share: 30%, status: 500, code: A004}`,
	make: func(p params) (Fault, error) {
		f := failShare{}
		var err error
		if f.share, err = p.share("share"); err != nil {
			return nil, err
		}
		f.status, f.code, err = p.failure()
		return f, err
	},
}

func (f failShare) String() string {
	return fmt.Sprintf("errors %s %d %s", percent(f.share), f.status, f.code)
}

func (f failShare) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.HTTP.let(Mishap{FailShare: f.share, Status: f.status, Code: f.code})
}

// Felt counts the error among as many requests as should meet it ten times. Half of that is enough only for a share so large
// that chance cannot halve it; for the others one will do, and before and after the fault there is none.
func (f failShare) Felt(ctx context.Context, t *Target) (Evidence, error) {
	n := probesFor(f.share)
	met := count(t.HTTP.probe(ctx, n, probeLanes, 5*time.Second), func(e reply) bool { return e.status == f.status && e.code == f.code })
	return Evidence{
		Felt: met > 0,
		Text: fmt.Sprintf("%d of %d requests answered %d %s, wanted %s", met, n, f.status, f.code, percent(f.share)),
	}, nil
}
