package simulator

import "time"

// A crowd adds up how many sends are under way over time. Its sum, divided by a stretch of time, is the mean number under
// way in it: the L of Little's law, found by counting heads and without looking at a single response time. The zero value
// begins at the run's zero with nobody.
type crowd struct {
	at  time.Duration
	sum float64 // sends times seconds
}

// pass says that n were under way until now.
func (c *crowd) pass(now time.Duration, n int) {
	c.sum += float64(n) * (now - c.at).Seconds()
	c.at = now
}

// Crowded is the sends times seconds that have been under way so far.
func (t *Timeline) Crowded() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.crowd.pass(t.now(), t.inFlight)
	return t.crowd.sum
}
