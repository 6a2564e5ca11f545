package simulator

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/simulator/mishap"
)

// An Upstream is one of the parts that the service calls, as faults take hold of it.
type Upstream struct {
	URL  string       // base URL; what is asked for below it and does not exist is answered 404, and stands in no book
	Dice *mishap.Dice // of its requests
}

// Upstream is the upstream of that name: wechat, alipay, identity. It panics when there is none: names come from code.
func (w *World) Upstream(name string) Upstream {
	var s ServiceSettings
	w.channels.settle(&s)
	w.identity.settle(&s)
	urls := map[string]string{wechatName: s.WeChatURL, alipayName: s.AlipayURL, identityName: s.IdentityURL}
	dice := w.st.dice[name]
	if dice == nil || urls[name] == "" {
		panic("no upstream " + name)
	}
	return Upstream{URL: urls[name], Dice: dice}
}

const identityName = "identity"

// newDice are the dice of every upstream.
func newDice(seed uint64) map[string]*mishap.Dice {
	dice := make(map[string]*mishap.Dice)
	for _, name := range []string{wechatName, alipayName, identityName} {
		dice[name] = mishap.New(seed, "upstream "+name)
	}
	return dice
}

// unlucky lets requests go wrong before mux sees them: what fails has no effect, what hangs has none either.
func (st *stage) unlucky(upstream string, mux *http.ServeMux) http.Handler {
	dice := st.dice[upstream]
	if dice == nil { // a test's stage
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, route := mux.Handler(r) // one order is like another
		if route == "" {
			route = r.URL.Path
		}
		met := dice.Throw(route)
		switch {
		case met.Status != 0:
			refuse(w, met.Status, cmp.Or(met.Code, "SYSTEM_ERROR"), "a fault of this run")
		case !late(r, met.Delay):
			panic(http.ErrAbortHandler) // the client has gone, or the server ends: returning would be an answer
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// late is pause for a request that nobody has read yet. Its body is read first: a client's departure is seen only then.
func late(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes))
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body)) // a longer one is refused by whoever reads it
	return pause(r, d)
}
