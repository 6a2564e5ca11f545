package service

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Notifier answers the machines: it holds their polls until there is a command, and takes their results.
//
// A poll that waits costs its handler's goroutine, one channel and one timer; of Redis it costs one POP when it comes in, and
// of the database nothing.
type Notifier struct {
	Parts

	mu      sync.Mutex
	waiting map[string]*poll  // by machine; guarded by mu
	given   map[string]string // by machine: the dispense command it was given last here, or reported; absent: look; guarded by mu
	settled map[string]string // by machine: the command whose result is recorded; guarded by mu
	ended   bool              // guarded by mu
}

// A poll is a machine's request that waits.
type poll struct {
	wake     chan struct{} // one slot: a wake that comes while the poll looks is not lost
	replaced chan struct{} // closed when the machine polls anew, or the process ends
	lost     bool          // the machine may not have got what it was given; guarded by the notifier's mu
}

// nudge lets the poll look.
func (p *poll) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// NewNotifier makes a notifier; [Notifier.Run] wakes its polls.
func NewNotifier(p Parts) *Notifier {
	return &Notifier{Parts: p, waiting: make(map[string]*poll), given: make(map[string]string), settled: make(map[string]string)}
}

// Run listens for pushes until ctx ends, and then answers every poll that waits.
func (n *Notifier) Run(ctx context.Context) {
	for attempt := 1; ctx.Err() == nil; attempt++ {
		if err := n.Pushes.Listen(ctx, n.WakeMachine); err != nil && ctx.Err() == nil {
			n.Log.Warn("listening for pushes", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(time.Second, time.Duration(attempt)*50*time.Millisecond)):
		}
	}
	n.End()
}

// End answers every poll that waits, and those that still come, with nothing: their machines find another process.
func (n *Notifier) End() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	for id, p := range n.waiting {
		close(p.replaced)
		delete(n.waiting, id)
	}
}

// WakeMachine lets the machine's poll look for a command. A machine that does not wait here may be given it by another process,
// whose answer may be lost: its next poll here looks.
func (n *Notifier) WakeMachine(machineID string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.waiting[machineID]; p != nil {
		p.nudge()
		return
	}
	delete(n.given, machineID)
}

// Wake implements [Waker] for the notifier of this process.
func (n *Notifier) Wake(_ context.Context, machineID, _ string) error {
	n.WakeMachine(machineID)
	return nil
}

// Waiting is how many polls wait.
func (n *Notifier) Waiting() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.waiting)
}

// Poll waits for a command for the machine, at most for wait. last is the command that the machine knows it was given
// last. found is false when there is none. waited is how long the poll had been here when the command was stamped as sent: by its own
// clock the machine, which knows when it asked, can tell from it when that was, and how late the answer is. It starts nothing later
// than the command's time to live after the stamp, however long the answer was on its way.
func (n *Notifier) Poll(ctx context.Context, machineID, last string, wait time.Duration) (
	c Command, waited time.Duration, found bool, err error,
) {
	began := n.Now()
	c, sent, err := n.poll(ctx, machineID, last, wait)
	return c, max(0, sent.Sub(began)), !sent.IsZero(), err
}

// poll is Poll; sent is the moment that the command was stamped with, zero when there is none.
func (n *Notifier) poll(ctx context.Context, machineID, last string, wait time.Duration) (c Command, sent time.Time, err error) {
	p, ok := n.enter(machineID, last)
	if !ok {
		return Command{}, time.Time{}, nil
	}
	defer n.leave(machineID, p)

	timer := time.NewTimer(untilTick(n.Now(), wait))
	defer timer.Stop()
	for woken := false; ; {
		if given, lost := n.doubts(machineID, p); lost {
			if c, sent, err = n.lost(ctx, machineID, last, given, p); err != nil || !sent.IsZero() {
				return c, sent, err
			}
		}
		if c, sent, err = n.next(ctx, machineID, p); err != nil || !sent.IsZero() {
			return c, sent, err
		}
		if woken { // somebody else took the push: an older poll of this machine at another process, whose answer nobody hears
			woken = false
			n.wonder(p)
			continue
		}
		select {
		case <-p.wake:
			woken = true
		case <-timer.C:
			return Command{}, time.Time{}, nil
		case <-p.replaced:
			return Command{}, time.Time{}, nil
		case <-ctx.Done():
			n.forget(machineID, p) // its line broke: it may be given something elsewhere
			return Command{}, time.Time{}, nil
		}
	}
}

// pollTick is the grid on which polls end that found nothing. Ten thousand machines that wait 25 s end 400 polls a second:
// each by itself wakes this process and its client's for one answer, twenty times a second they cost half of that.
const pollTick = 50 * time.Millisecond

// untilTick is wait, up to a pollTick shorter, so that it ends on the grid. A wait that is short keeps its length.
func untilTick(now time.Time, wait time.Duration) time.Duration {
	if wait < 20*pollTick {
		return wait
	}
	return now.Add(wait).Truncate(pollTick).Sub(now)
}

// enter registers a poll.
func (n *Notifier) enter(machineID, last string) (p *poll, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return nil, false
	}
	if before := n.waiting[machineID]; before != nil {
		close(before.replaced)
	}
	given, known := n.given[machineID]
	p = &poll{wake: make(chan struct{}, 1), replaced: make(chan struct{}), lost: !known || given != last}
	n.waiting[machineID] = p
	return p, true
}

// doubts tells, once, that the machine may not have got what it was given.
func (n *Notifier) doubts(machineID string, p *poll) (given string, lost bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	lost, p.lost = p.lost, false
	return n.given[machineID], lost
}

// knows remembers that the machine has what it was given, unless an older poll of it was given something since.
func (n *Notifier) knows(machineID, last, given string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.given[machineID] == given {
		n.given[machineID] = last
	}
}

func (n *Notifier) leave(machineID string, p *poll) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting[machineID] == p {
		delete(n.waiting, machineID)
	}
}

// forget makes the machine's next poll look for a command that it was sent and does not know. p is the poll that found out.
func (n *Notifier) forget(machineID string, p *poll) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.given, machineID)
	n.doubt(machineID, p)
}

// gave remembers what poll p is answered with.
func (n *Notifier) gave(machineID, commandID string, p *poll) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.given[machineID] = commandID
	n.doubt(machineID, p)
}

// wonder makes the poll look for what it may have missed.
func (n *Notifier) wonder(p *poll) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p.lost = true
}

// doubt makes the poll look that has replaced p: nobody hears p's answer any more. Callers hold mu.
func (n *Notifier) doubt(machineID string, p *poll) {
	if current := n.waiting[machineID]; current != nil && current != p {
		current.lost = true
		current.nudge()
	}
}

// lost finds the command that the machine was given and does not know: the answer that carried it did not arrive. It
// is looked for with the first poll that a process sees of a machine, when the machine contradicts the notifier, and when the
// machine may have been given something that this poll does not know of: by another process, where a push that woke the poll was not
// there, or by the poll that it replaced.
func (n *Notifier) lost(ctx context.Context, machineID, last, given string, p *poll) (Command, time.Time, error) {
	c, err := n.Store.LostCommand(ctx, machineID)
	if errors.Is(err, ErrNotFound) || (err == nil && c.ID == last) {
		n.knows(machineID, last, given)
		return Command{}, time.Time{}, nil
	}
	if err != nil {
		return Command{}, time.Time{}, err
	}
	now := n.Now()
	moved, err := n.Store.ResendCommand(ctx, c)
	if err != nil || !moved {
		return Command{}, time.Time{}, err
	}
	n.Metrics.Commands.WithLabelValues(c.Kind, "sent-again").Inc()
	n.gave(machineID, c.ID, p)
	return c, now, nil
}

// next takes the machine's next command. It is given away by the compare-and-set to SENT alone: what the queue holds
// is a hint, and may be stale.
func (n *Notifier) next(ctx context.Context, machineID string, p *poll) (Command, time.Time, error) {
	for {
		c, found, err := n.Pushes.Pop(ctx, machineID)
		if err != nil {
			if ctx.Err() != nil {
				return Command{}, time.Time{}, nil
			}
			// Redis is down: the database knows.
			c, err = n.Store.QueuedCommand(ctx, machineID)
			if errors.Is(err, ErrNotFound) {
				return Command{}, time.Time{}, nil
			}
			if err != nil {
				return Command{}, time.Time{}, err
			}
		} else if !found {
			return Command{}, time.Time{}, nil
		}
		now := n.Now()
		moved, err := n.Store.SendCommand(ctx, c.ID)
		if err != nil {
			n.forget(machineID, p) // SENT all the same, it may be: the next poll looks
			return Command{}, time.Time{}, err
		}
		if !moved {
			n.Metrics.Commands.WithLabelValues(c.Kind, "stale").Inc()
			continue
		}
		n.Metrics.Commands.WithLabelValues(c.Kind, "sent").Inc()
		if c.Kind == Dispense {
			n.gave(machineID, c.ID, p)
		}
		return c, now, nil
	}
}

// A MachineResult is what a machine reports.
type MachineResult struct {
	CommandID string  `json:"command_id"`
	OrderID   string  `json:"order_id"`
	Outcome   Outcome `json:"outcome"`
	Detail    string  `json:"detail"`
}

// Result records what became of a command, as often as it is told. It returns the order's state. ErrUnknownCommand,
// ErrNoSuchOutcome.
func (n *Notifier) Result(ctx context.Context, machineID string, r MachineResult) (State, error) {
	c, err := n.Store.Command(ctx, r.CommandID)
	if errors.Is(err, ErrNotFound) || (err == nil && c.MachineID != machineID) {
		return "", ErrUnknownCommand
	}
	if err != nil {
		return "", err
	}
	now := n.Now()
	if c.Kind == Cancel {
		// The answer to a cancel is what became of the command that it meant.
		if err := n.Store.EndCommand(ctx, c.ID, CommandAnswered, now); err != nil {
			return "", err
		}
		if c, err = n.Store.DispenseCommand(ctx, c.OrderID); err != nil {
			return "", err
		}
	}
	state, err := n.record(ctx, c, r.Outcome, now)
	if err != nil {
		return "", err
	}
	n.Metrics.Commands.WithLabelValues(Dispense, string(r.Outcome)).Inc()
	n.mu.Lock()
	n.settled[machineID] = r.CommandID
	n.mu.Unlock()
	return state, nil
}

func (p *Parts) record(ctx context.Context, c Command, outcome Outcome, now time.Time) (State, error) {
	var end CommandState
	var reason string
	switch outcome {
	case OutcomeDispensed:
		state, err := p.Store.Dispensed(ctx, c, now)
		if err == nil && state != Dispensed {
			p.Log.Error("dispensed after the refund", "order", c.OrderID, "machine", c.MachineID, "state", state)
		}
		if err == nil && !c.State.Final() {
			p.Metrics.Moves.WithLabelValues(string(state)).Inc()
		}
		return state, err
	case OutcomeFailed:
		end, reason = CommandFailed, BecauseFailed
	case OutcomeExpired:
		end, reason = CommandExpired, BecauseNoResult
	case OutcomeCancelled:
		end, reason = CommandCancelled, BecauseCancelled
	default:
		return "", ErrNoSuchOutcome
	}
	o, err := p.Store.Order(ctx, c.OrderID)
	if err != nil {
		return "", err
	}
	if o.State != Dispensing && o.State != Paid {
		return o.State, p.Store.EndCommand(ctx, c.ID, end, now)
	}
	return p.takeBack(ctx, o, c, end, reason, now)
}

// takeBack ends a command without goods and raises the refund.
func (p *Parts) takeBack(ctx context.Context, o Order, c Command, end CommandState, reason string, now time.Time) (State, error) {
	state, err := p.Store.NotDispensed(ctx, c, end, refundOf(paymentOf(o), reason), now)
	if err == nil && state == Refunding {
		p.Metrics.Moves.WithLabelValues(string(Refunding)).Inc()
		p.Metrics.Refunds.WithLabelValues(reason, "raised").Inc()
	}
	return state, err
}

// A Heartbeat is what a machine tells of itself from time to time.
type Heartbeat struct {
	LastCommandID string  `json:"last_command_id"`
	LastOrderID   string  `json:"last_order_id"`
	State         string  `json:"state"`
	LastOutcome   Outcome `json:"last_outcome"`
}

// Beat takes a heartbeat. It repeats the last result: one that was lost is recovered from it.
func (n *Notifier) Beat(ctx context.Context, machineID string, b Heartbeat) error {
	if b.LastCommandID == "" || b.LastOutcome == "" {
		return nil
	}
	n.mu.Lock()
	known := n.settled[machineID] == b.LastCommandID
	n.mu.Unlock()
	if known {
		return nil
	}
	_, err := n.Result(ctx, machineID, MachineResult{CommandID: b.LastCommandID, OrderID: b.LastOrderID, Outcome: b.LastOutcome, Detail: "heartbeat"})
	if errors.Is(err, ErrUnknownCommand) || errors.Is(err, ErrNoSuchOutcome) {
		return nil // a machine that remembers another life
	}
	return err
}
