package simulator

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// openidLength is that of WeChat's openids.
const openidLength = 28

// openid is the buyer of an order as both channels call him. It holds the order's key, so that the identity upstream
// knows whose look-up it is answering.
func openid(key string) string {
	const prefix = "oLR"
	return prefix + strings.Repeat("_", max(0, openidLength-len(prefix)-len(key))) + key
}

// openidKey is the order key within an openid, "" when there is none.
func openidKey(id string) string {
	key, ok := strings.CutPrefix(id, "oLR")
	if !ok {
		return ""
	}
	return strings.TrimLeft(key, "_")
}

// unionidOf is what the identity upstream tells of the buyer of an order: who he is whatever he pays by.
func unionidOf(key string) string { return "uLR" + key }

// identity is the upstream that knows a buyer across channels. It answers everyone, each as late and as
// well as the plan says.
type identity struct {
	st      *stage
	server  *loopbackServer
	teller  teller
	threads *threads // nil: no limit
	front   *asker
}

var _ identityUpstream = (*identity)(nil)

func newIdentity(st *stage) (identityUpstream, error) {
	id := &identity{st: st, front: newAsker()}
	if n := st.scenario.Upstream.IdentityThreads; n > 0 {
		id.threads = newThreads(n)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /unionid", id.unionid)
	server, err := newLoopbackServer(st.unlucky(identityName, mux))
	if err != nil {
		return nil, fmt.Errorf("opening the identity upstream: %w", err)
	}
	id.server = server
	return id, nil
}

func (id *identity) settle(s *ServiceSettings) { s.IdentityURL = id.server.url }

func (id *identity) begin(frontURL string) { id.front.begin(frontURL) }

func (id *identity) load() pool {
	if id.threads == nil {
		return pool{-1, -1, 0}
	}
	return id.threads.load()
}

func (id *identity) Close() error {
	id.front.end()
	return id.server.Close()
}

func (id *identity) unionid(w http.ResponseWriter, r *http.Request) {
	who := r.URL.Query().Get("openid")
	if who == "" {
		refuse(w, http.StatusBadRequest, "PARAM_ERROR", "openid is missing")
		return
	}
	key := openidKey(who)
	var delay time.Duration
	o := id.st.orders.planned(key)
	if o != nil {
		delay = o.Unionid
	} else {
		key = who
	}
	release, ok := id.threads.take(r.Context())
	if !ok {
		return // whoever asked has gone
	}
	defer release()
	fate := id.teller.next(identityName, callUnionid, o)
	if fate == Hung {
		id.server.hang(r)
		return
	}
	if !id.server.pause(r, delay) {
		return
	}
	if up := &id.st.scenario.Upstream.Identity; fate == Refused {
		refuse(w, up.Status, up.Code, "the scenario wants this error")
		return
	}
	if id.st.scenario.Upstream.IdentityAsksFront {
		// The thread is kept until front has answered, whether or not somebody still waits for the look-up.
		if err := id.front.ask(r.URL.Query().Get("channel"), who); err != nil {
			refuse(w, http.StatusBadGateway, "FRONT_FAILED", err.Error())
			return
		}
	}
	answer(w, http.StatusOK, map[string]string{"unionid": unionidOf(key)})
}
