package simulator

import (
	"sync"

	"github.com/lunchrush/lunchrush/scenarios"
)

// Fates say what becomes of the first, second, third, ... call of one kind about an order; after the last they begin again.
// "" is a call that is served, each time. One letter a call, of [Fate].
type Fates string

// A Fate is what becomes of one call to an upstream.
type Fate byte

// The fates.
const (
	Served  Fate = '.'
	Refused Fate = 'e' // answered with the upstream's error
	Hung    Fate = 'h' // carried out and never answered
)

// fatesAhead is how many calls of a kind have a fate of their own. Nobody asks about one order much more often.
const fatesAhead = 8

// Of is the fate of the nth call, from 0.
func (f Fates) Of(n int) Fate {
	if f == "" {
		return Served
	}
	return Fate(f[n%len(f)])
}

// fates draws the fates of n orders' calls. Shares hold among all first calls, among all second ones, and so on, each to
// within one order.
func (s *stream) fates(n int, up scenarios.Upstream) []Fates {
	list := make([]Fates, n)
	if up.Errors == 0 && up.Hang == 0 {
		return list
	}
	letters := make([]byte, n*fatesAhead)
	for call := range fatesAhead {
		drawn := s.quotas(n, string(Served), share{string(Refused), up.Errors}, share{string(Hung), up.Hang})
		for i, letter := range drawn {
			letters[i*fatesAhead+call] = letter[0]
		}
	}
	const allServed = "........"
	for i := range list {
		if word := Fates(letters[i*fatesAhead : (i+1)*fatesAhead]); word != allServed {
			list[i] = word
		}
	}
	return list
}

// A teller deals out the fates of calls in the order of their coming.
type teller struct {
	mu    sync.Mutex
	calls map[dealt]int // guarded by mu; only of orders that have fates
}

// A dealt is one kind of call about one order, at one channel.
type dealt struct{ upstream, kind, key string }

// The kinds of call, as a teller counts them.
const (
	callCreate  = "create"
	callQuery   = "query"
	callClose   = "close"
	callRefund  = "refund"
	callUnionid = "unionid"
)

// next is the fate of the next call of that kind about the order at the upstream; what nobody planned is served.
func (t *teller) next(upstream, kind string, o *PlanOrder) Fate {
	var fates Fates
	if o != nil {
		fates = o.fates(kind)
	}
	if fates == "" {
		return Served
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = make(map[dealt]int)
	}
	id := dealt{upstream, kind, o.Key}
	n := t.calls[id]
	t.calls[id] = n + 1
	return fates.Of(n)
}

func (o *PlanOrder) fates(kind string) Fates {
	switch kind {
	case callCreate:
		return o.CreateFates
	case callQuery, callClose:
		return o.QueryFates
	case callRefund:
		return o.RefundFates
	case callUnionid:
		return o.UnionidFates
	}
	return ""
}

// settings is how an upstream answers that kind of call.
func settings(u *scenarios.Upstreams, kind string) *scenarios.Upstream {
	switch kind {
	case callCreate:
		return &u.Create
	case callRefund:
		return &u.Refund
	case callUnionid:
		return &u.Identity
	default:
		return &u.Query
	}
}
