package process

import (
	"errors"
	"net/http"
	"time"
)

// lingerFor is how recently somebody must have asked about readiness to be waited for: a balancer asks every few seconds.
const lingerFor = 10 * time.Second

// toldEnough is how often a balancer must have been told that the process is not ready: three failures take a backend out,
// and one more may have been asked for before it was.
const toldEnough = 4

// linger says that the process is not ready and goes on serving until whoever sends to it has heard that, or stop.linger
// is over: the listener that closes next would refuse what is on its way.
func (p *process) linger() {
	p.api.Withdraw()
	p.mu.Lock()
	asked := p.asked
	p.mu.Unlock()
	if time.Since(asked) >= lingerFor {
		return
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	over := time.After(p.cfg.Switches.Stop.Linger)
	for p.api.Refusals() < toldEnough {
		select {
		case <-tick.C:
		case <-over:
			return
		}
	}
}

// drop ends the process as it was (stop abrupt): a recycled worker process, whose host has told it to go and does not wait.
//
// What hurts: requests that it has taken are cut in their midst, nobody was told to send elsewhere, and what is in memory
// only is gone.
func (p *process) drop(servers []*http.Server) error {
	p.log.Info("ended, with whatever was under way")
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
