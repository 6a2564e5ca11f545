package harness

import (
	"sync"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator/balancer"
)

// A spread keeps account of what each instance was given and of what would have been fair: of all that came to a listener
// while the instance was there, the share of its weight. Instances come and go; between two such moments is an epoch, in
// which the members are the same. The zero value has no members.
type spread struct {
	mu      sync.Mutex
	members []balanced                // of the epoch that goes on; guarded by mu
	counts  map[account]uint64        // requests at its beginning; guarded by mu
	books   map[account]*runlog.Share // guarded by mu
	order   []account                 // of books; guarded by mu
}

// A balanced instance is one that the balancer is meant to send to.
type balanced struct {
	name, role string
	weight     int
	added      bool
}

// An account is one instance behind one listener.
type account struct{ listener, instance string }

// doorRoles are the roles behind the listeners that traffic comes to.
var doorRoles = []struct{ door, role string }{
	{doorPublic, "front"}, {doorPolls, "notifier"}, {doorWeChat, "gate"}, {doorAlipay, "gate"},
}

// turn ends the epoch and begins the next one, with these members.
func (s *spread) turn(shares []balancer.Share, next []balanced) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.books == nil {
		s.books = make(map[account]*runlog.Share)
	}
	given := make(map[account]uint64)
	for _, share := range shares {
		given[account{share.Listener, share.Backend}] = share.Requests
	}
	for _, d := range doorRoles {
		var total uint64
		for of, n := range given {
			if of.listener == d.door {
				total += n - s.counts[of]
			}
		}
		weights := 0
		for _, m := range s.members {
			if m.role == d.role {
				weights += m.weight
			}
		}
		for _, m := range s.members {
			if m.role != d.role || weights == 0 {
				continue
			}
			of := account{d.door, m.name}
			book := s.books[of]
			if book == nil {
				book = &runlog.Share{Listener: d.door, Instance: m.name, Weight: m.weight, Added: m.added}
				s.books[of] = book
				s.order = append(s.order, of)
			}
			book.Of += int64(total)
			book.Requests += int64(given[of] - s.counts[of])
			book.Fair += float64(total) * float64(m.weight) / float64(weights)
		}
	}
	s.counts, s.members = given, next
}

// told is the account of all epochs, by listener; what the balancer measured stands beside.
func (s *spread) told(shares []balancer.Share) []runlog.Share {
	s.turn(shares, nil)
	measured := make(map[account]balancer.Share)
	for _, share := range shares {
		measured[account{share.Listener, share.Backend}] = share
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []runlog.Share
	for _, d := range doorRoles {
		for _, of := range s.order {
			if of.listener != d.door {
				continue
			}
			book, m := *s.books[of], measured[of]
			book.Unanswered, book.ServerErrors = int64(m.Unanswered), int64(m.ServerErrors)
			book.P50NS, book.P99NS, book.MaxNS = int64(m.P50), int64(m.P99), int64(m.Max)
			list = append(list, book)
		}
	}
	return list
}

// turn lets the spread know who is there from now on.
func (t *town) turn() {
	var next []balanced
	t.mu.Lock()
	for _, i := range t.instances {
		if !i.gone {
			next = append(next, balanced{i.label, i.role, t.weight(i.label), i.added})
		}
	}
	b := t.balancer
	t.mu.Unlock()
	if b != nil {
		t.spread.turn(b.Shares(), next)
	}
}

// told is what the run folder keeps of the balancer: who got what, and how cold instances fared.
func (t *town) told() ([]runlog.Share, []runlog.ColdSpell) {
	var cold []runlog.ColdSpell
	for _, c := range t.balancer.ColdSpells() {
		cold = append(cold, runlog.ColdSpell{
			Instance: c.Backend, Requests: int64(c.Served), Answered: int64(c.Answered), Warm: !c.StillCold,
			P50NS: int64(c.P50), P99NS: int64(c.P99), MaxNS: int64(c.Max), LongestNS: int64(c.Longest),
		})
	}
	return t.spread.told(t.balancer.Shares()), cold
}
