package process

import (
	"errors"
	"net/http"
	"time"
)

// lingerFor is how recently somebody must have asked about readiness to be waited for: a balancer asks every few seconds.
const lingerFor = 10 * time.Second

// linger says that the process is not ready and goes on serving for stop.linger: a balancer takes it out after some failed
// checks, and the listener that closes next would refuse what is on its way. How often it was asked tells nothing: there may
// be several who ask, each with a list of its own.
func (p *process) linger() {
	p.api.Withdraw()
	p.mu.Lock()
	asked := p.asked
	p.mu.Unlock()
	if time.Since(asked) < lingerFor {
		time.Sleep(p.cfg.Switches.Stop.Linger)
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
