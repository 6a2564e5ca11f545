package chaos

import (
	"context"
	"fmt"
	"time"
)

// failFirst fails the first requests of each kind, and serves all that come after: an upstream that was just started again, a
// connection that a firewall has forgotten. It tells a client that tries again from one that does not.
type failFirst struct {
	n      int
	status int
	code   string
}

var failFirstKind = Kind{
	Name:    "fail-first",
	On:      OnHTTP,
	What:    "of each kind of request the first so many fail: an upstream that has just come back",
	Params:  map[string]string{"n": "", "status": "503", "code": "FAULT"},
	Example: `{at: "11:56", for: 60s, on: wechat, inject: fail-first, n: 20}`,
	make: func(p params) (Fault, error) {
		f := failFirst{}
		var err error
		if f.n, err = p.number("n", 1, 1000); err != nil {
			return nil, err
		}
		f.status, f.code, err = p.failure()
		return f, err
	},
}

func (f failFirst) String() string {
	return fmt.Sprintf("the first %d fail with %d %s", f.n, f.status, f.code)
}

func (f failFirst) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.HTTP.let(Mishap{FailFirst: f.n, Status: f.status, Code: f.code})
}

// Felt sends so many requests of a kind of its own and one more, one after the other: the last is served.
func (f failFirst) Felt(ctx context.Context, t *Target) (Evidence, error) {
	replies := t.HTTP.probe(ctx, f.n+1, 1, 5*time.Second)
	failed := func(e reply) bool { return e.status == f.status && e.code == f.code }
	met, last := count(replies[:f.n], failed), replies[f.n]
	text := fmt.Sprintf("of the first %d requests %d were answered %d %s, and the next %d", f.n, met, f.status, f.code, last.status)
	return Evidence{Felt: met == f.n && last.status != 0 && !failed(last), Text: text}, nil
}
