package simulator

import (
	"strconv"
	"strings"
	"sync"
)

// A directory knows which planned order stands behind an order id of the service. It is safe for concurrent use.
type directory struct {
	byKey map[string]*PlanOrder // never changes after newDirectory

	mu      sync.RWMutex
	byOrder map[string]*PlanOrder // guarded by mu
}

func newDirectory(p *Plan) *directory {
	d := &directory{byKey: make(map[string]*PlanOrder, len(p.Orders)), byOrder: make(map[string]*PlanOrder, len(p.Orders))}
	for i := range p.Orders {
		d.byKey[p.Orders[i].Key] = &p.Orders[i]
	}
	return d
}

// trySeparator stands in a request_id between the plan's key and the number of a further try: "o000001.2".
const trySeparator = "."

// tryKey is the request_id of a buyer's n-th try, from 1: the first has the plan's key.
func tryKey(key string, n int) string {
	if n <= 1 {
		return key
	}
	return key + trySeparator + strconv.Itoa(n)
}

// planned returns the order with that key (request_id, attach) or one of its tries, nil if the plan has none.
func (d *directory) planned(key string) *PlanOrder {
	key, _, _ = strings.Cut(key, trySeparator)
	return d.byKey[key]
}

// bind notes that the service calls the order with that key by its id; a key that the plan does not have is passed over.
// A prepay usually binds before the buyer has the answer.
func (d *directory) bind(order, key string) {
	p := d.planned(key)
	if p == nil || order == "" {
		return
	}
	d.mu.Lock()
	d.byOrder[order] = p
	d.mu.Unlock()
}

// order returns the planned order behind an order id, nil if no one has bound it.
func (d *directory) order(order string) *PlanOrder {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.byOrder[order]
}
