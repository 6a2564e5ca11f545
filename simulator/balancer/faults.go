package balancer

import (
	"net/http"
	"strings"

	"github.com/lunchrush/lunchrush/simulator/mishap"
)

// Faults go wrong with requests at a listener, each request by itself, whatever connection it came on. The zero value is
// no fault. Of FailFirst, requests of a kind have their method and the first two words of their path in common.
type Faults = mishap.Faults

// kindOf is the kind of a request: "POST /v1/orders".
func kindOf(r *http.Request) string {
	path := r.URL.Path
	if i := strings.IndexByte(strings.TrimPrefix(path, "/"), '/'); i >= 0 {
		if j := strings.IndexByte(path[i+2:], '/'); j >= 0 {
			path = path[:i+2+j]
		}
	}
	return r.Method + " " + path
}

// AddFaults puts faults on top of those that these listeners have, or all when none is named; remove takes exactly these
// off again. Of several failures of one request the one that was added first is answered.
func (b *Balancer) AddFaults(f Faults, listeners ...string) (remove func(), err error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	doors, err := b.named(listeners)
	if err != nil {
		return nil, err
	}
	var removes []func()
	for _, d := range doors {
		removes = append(removes, d.dice.Add(f))
	}
	return func() {
		for _, remove := range removes {
			remove()
		}
	}, nil
}
