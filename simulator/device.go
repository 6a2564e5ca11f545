package simulator

import (
	"slices"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The kinds of command and the outcomes, as on the wire.
const (
	commandDispense = "dispense"
	commandCancel   = "cancel"

	outcomeDispensed = "dispensed"
	outcomeFailed    = "failed"
	outcomeExpired   = "expired"
	outcomeCancelled = "cancelled"
)

// A command is what a long poll brings.
type command struct {
	ID    string `json:"command_id"`
	Order string `json:"order_id"`
	Kind  string `json:"kind"`
	Slot  int    `json:"slot"`
	TTLMS *int64 `json:"ttl_ms"` // none: it never expires

	WaitedMS *int64        `json:"waited_ms"` // of its poll until it was stamped as sent; none: its life counts from receipt
	asked    time.Duration // moment of the run at which the machine sent that poll
}

// expires is the moment after which the command must not be started, negative for never. The poll was sent before the service had it,
// so asked and what it waited there come to a moment before the stamp: the answer may have taken as long as it likes.
func (c *command) expires(now time.Duration) time.Duration {
	if c.TTLMS == nil {
		return -1
	}
	if c.WaitedMS != nil {
		now = min(now, c.asked+time.Duration(*c.WaitedMS)*time.Millisecond)
	}
	return max(0, now+time.Duration(*c.TTLMS)*time.Millisecond)
}

// A vend is one dispense command within a machine. It is the machine's own; the machine's mu guards it.
type vend struct {
	id, order string
	slot      int
	expires   time.Duration // moment of the run; negative: never
	outcome   string        // "" while it waits or runs
	cancels   []string      // ids of the cancels that wait for its outcome
}

// A device is the inside of a machine: one motor, one queue, and what its memory holds. A motor cannot drop two things at
// once, so commands wait for each other in the order in which they came.
//
// Of the dispense commands that are over it compares only the last one's id with a new one, as the protocol promises and
// as real machines do: a service that sends an older command again makes goods fall again. Its sales log is longer, and
// is read when a cancel asks what happened.
type device struct {
	name string
	st   *stage
	tell func(id, order, outcome string) // sends a result; must not block

	mu        sync.Mutex // guards what follows
	stock     []int32    // pieces, slot 1 first
	received  string     // id of the last command of any kind: acknowledged by the next poll
	last      *vend      // the last dispense command received
	running   *vend
	waiting   []*vend
	log       []*vend         // every dispense command taken, oldest first
	cancelled map[string]bool // ids and orders that must never start
	done      *vend           // the last that is over: what heartbeats tell
}

// receive takes a command from a poll, now. It reports whether this is another command than the poll before brought.
func (d *device) receive(c command) (other bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	other = d.received != c.ID
	d.received = c.ID
	switch c.Kind {
	case commandDispense:
		d.dispense(c)
	case commandCancel:
		d.cancel(c)
	default:
		d.st.logger.Warn("a command of no known kind", "machine", d.name, "kind", c.Kind, "command", c.ID)
	}
	return other
}

// dispense queues a command unless the machine knows it already. Callers hold mu, here and below.
func (d *device) dispense(c command) {
	if known := d.held(c.ID); known != nil {
		d.refuse(c.ID, c.Order, "duplicate")
		if known.outcome != "" {
			d.tell(known.id, known.order, known.outcome)
		}
		return
	}
	d.book(runlog.MachineCommand, c.ID, c.Order, c.Slot, c.Kind)
	v := &vend{id: c.ID, order: c.Order, slot: c.Slot, expires: c.expires(d.st.now())}
	d.last = v
	d.log = append(d.log, v)
	d.waiting = append(d.waiting, v)
	d.next()
}

// held is the command of that id that the machine would recognise: the last one, the running one, one that waits.
func (d *device) held(id string) *vend {
	if d.last != nil && d.last.id == id {
		return d.last
	}
	if d.running != nil && d.running.id == id {
		return d.running
	}
	for _, v := range d.waiting {
		if v.id == id {
			return v
		}
	}
	return nil
}

// next starts what waits, first come first.
func (d *device) next() {
	for d.running == nil && len(d.waiting) > 0 {
		v := d.waiting[0]
		d.waiting = d.waiting[1:]
		switch {
		case d.cancelled[v.id] || d.cancelled[v.order]:
			d.refuse(v.id, v.order, "cancelled")
			d.over(v, outcomeCancelled)
		case v.expires >= 0 && d.st.now() >= v.expires:
			d.refuse(v.id, v.order, "expired")
			d.over(v, outcomeExpired)
		default:
			d.start(v)
		}
	}
}

// busy reports whether the motor turns or a command waits for it.
func (d *device) busy() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.running != nil || len(d.waiting) > 0
}

func (d *device) start(v *vend) {
	d.running = v
	var takes time.Duration
	if p := d.st.orders.order(v.order); p != nil {
		takes = p.Takes
	}
	d.st.after(d.st.now()+takes, func() { d.end(v) })
}

// end is the moment at which the motor stops.
func (d *device) end(v *vend) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = nil
	// An order that the plan does not know gets its goods like any other: the audit asks who paid for them.
	plan := d.st.orders.order(v.order)
	switch {
	case plan != nil && plan.Device == DeviceFails:
		d.book(runlog.MachineJammed, v.id, v.order, v.slot, "jammed")
		d.over(v, outcomeFailed)
	case v.slot < 1 || v.slot > len(d.stock):
		d.book(runlog.MachineJammed, v.id, v.order, v.slot, "no such slot")
		d.over(v, outcomeFailed)
	case d.stock[v.slot-1] == 0:
		d.book(runlog.MachineJammed, v.id, v.order, v.slot, "empty")
		d.over(v, outcomeFailed)
	default:
		d.stock[v.slot-1]--
		d.book(runlog.MachineDropped, v.id, v.order, v.slot, "")
		d.over(v, outcomeDispensed)
	}
	d.next()
}

// over notes how a command ended and tells it, to the cancels that came too late too.
func (d *device) over(v *vend, outcome string) {
	v.outcome = outcome
	d.done = v
	tells := v.cancels
	if plan := d.st.orders.order(v.order); plan == nil || plan.Device != DeviceLostResult {
		tells = append([]string{v.id}, tells...)
	}
	slices.Sort(tells)
	for _, id := range slices.Compact(tells) {
		d.tell(id, v.order, outcome)
	}
	v.cancels = nil
}

// cancel sees to it that an order's goods do not fall, or says what happened. The cancel may carry the id of the command
// that it calls back or one of its own.
func (d *device) cancel(c command) {
	d.book(runlog.MachineCommand, c.ID, c.Order, c.Slot, c.Kind)
	if d.cancelled == nil {
		d.cancelled = make(map[string]bool, 2)
	}
	d.cancelled[c.ID] = true
	if c.Order != "" {
		d.cancelled[c.Order] = true
	}

	concerns := func(v *vend) bool { return v.id == c.ID || v.order == c.Order && c.Order != "" }
	for _, v := range d.waiting {
		if concerns(v) {
			d.refuse(v.id, v.order, "cancelled")
			v.outcome = outcomeCancelled
			d.done = v
		}
	}
	d.waiting = slices.DeleteFunc(d.waiting, concerns)

	if d.running != nil && concerns(d.running) {
		d.running.cancels = append(d.running.cancels, c.ID)
		return
	}
	d.tell(c.ID, c.Order, d.what(concerns))
}

// what happened to an order, by the sales log: goods that fell outweigh whatever else became of its commands.
func (d *device) what(concerns func(*vend) bool) string {
	outcome := ""
	for _, v := range d.log {
		if !concerns(v) || v.outcome == "" {
			continue
		}
		if outcome != outcomeDispensed {
			outcome = v.outcome
		}
	}
	if outcome == "" {
		return outcomeCancelled
	}
	return outcome
}

func (d *device) book(e runlog.Event, id, order string, slot int, note string) {
	d.st.book(runlog.Record{Event: e, Order: order, Machine: d.name, Slot: slot, ID: id, Note: note})
}

func (d *device) refuse(id, order, why string) {
	d.st.book(runlog.Record{Event: runlog.MachineRefused, Order: order, Machine: d.name, ID: id, Note: why})
}

// A pulse is what a heartbeat says.
type pulse struct {
	LastCommand string `json:"last_command_id"`
	LastOrder   string `json:"last_order_id"`
	State       string `json:"state"`
	LastOutcome string `json:"last_outcome"`
}

// pulse tells the last command that is over, so that a result which was lost is known after all.
func (d *device) pulse() pulse {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := pulse{State: "IDLE"}
	if d.running != nil {
		p.State = "DISPENSING"
	}
	if d.done != nil {
		p.LastCommand, p.LastOrder, p.LastOutcome = d.done.id, d.done.order, d.done.outcome
	}
	return p
}

// acknowledges is the id that the next poll carries as last.
func (d *device) acknowledges() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.received
}
