package simulator

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// PlanSchema is the version of a written plan. Readers refuse another.
const PlanSchema = 1

// What a buyer does, [PlanOrder.Buyer].
const (
	BuyerPays     = "pays"     // once, Think after the order's answer
	BuyerAbandons = "abandons" // never
	BuyerLate     = "late"     // around the end of the payment window, while the service closes the order: goods, money back, or turned away
	BuyerTwice    = "twice"    // by the order's channel like the others, and Second later by the other one too
)

// LateLead is how long before the end of the payment window the first late buyers pay, and after it the last ones try to:
// half of them pay at the last moment, so that the notify comes after the service has closed the order, and half find it
// closed at the channel. Ours.
const LateLead = time.Second

// What a machine does with the order's command, [PlanOrder.Device].
const (
	DeviceDispenses  = "dispenses"   // drops Takes after the command, and reports it
	DeviceFails      = "fails"       // nothing falls; reported after Takes
	DeviceLate       = "late"        // drops, but much later: Takes has the delay in it
	DeviceLostResult = "lost-result" // drops; the result is never sent, the next heartbeat tells it
	DeviceOffline    = "offline"     // stops polling for Offline from the moment of the payment, then dispenses
)

// A Plan is everything that a run decides by chance, decided before it starts: a pure function of a scenario and a seed.
// The run folder keeps it as plan.jsonl.zst; a run replays the plan, not the seed.
type Plan struct {
	Header PlanHeader
	Orders []PlanOrder // by Due
	Probes []PlanProbe // by Due
	Calls  []PlanCall  // by Due: the workloads beside the orders
}

// PlanHeader is the plan's first line.
type PlanHeader struct {
	Schema   int           `json:"schema"`
	Scenario string        `json:"scenario"`
	Seed     uint64        `json:"seed"`
	Machines int           `json:"machines"`
	Slots    int           `json:"slots"`
	Length   time.Duration `json:"length_ns"`
	Orders   int           `json:"orders"`
	Probes   int           `json:"probes"`
	Calls    int           `json:"calls,omitempty"`
	Shard    int           `json:"shard,omitempty"`  // from 0, of Shards
	Shards   int           `json:"shards,omitempty"` // 0: the whole plan
}

// PlanOrder is one buyer's order with everything that chance decides about it. Durations are nanoseconds, in whole
// microseconds.
type PlanOrder struct {
	Key     string        `json:"key"` // "o000001": request_id of the order
	Due     time.Duration `json:"due_ns"`
	Machine string        `json:"machine"` // "m00001"
	Slot    int           `json:"slot"`    // from 1
	Channel string        `json:"channel"`
	Buyer   string        `json:"buyer"`               // "pays", "abandons", "late", "twice"
	Think   time.Duration `json:"think_ns"`            // from the order's answer to the payment; late: from LateLead before the end of the payment window
	Second  time.Duration `json:"second_ns,omitempty"` // twice: from the first payment to the one by the other channel
	Notify  time.Duration `json:"notify_ns"`           // payment to first send
	Again   time.Duration `json:"again_ns"`            // first send to its planned duplicate; -1 none
	Device  string        `json:"device"`              // "dispenses", "fails", "late", "lost-result", "offline"
	Takes   time.Duration `json:"takes_ns"`            // command to drop
	Offline time.Duration `json:"offline_ns,omitempty"`
	Create  time.Duration `json:"create_ns"` // the channel's answer times for this order
	Query   time.Duration `json:"query_ns"`
	Refund  time.Duration `json:"refund_ns"`
	Unionid time.Duration `json:"unionid_ns"`

	Untold       bool  `json:"untold,omitempty"`       // the payment's notify never comes
	CreateFates  Fates `json:"create_fates,omitempty"` // of the calls about this order, beside how long they take
	QueryFates   Fates `json:"query_fates,omitempty"`  // closes too
	RefundFates  Fates `json:"refund_fates,omitempty"`
	UnionidFates Fates `json:"unionid_fates,omitempty"`
}

// PlanProbe is one notification that must be refused.
type PlanProbe struct {
	Due     time.Duration `json:"due_ns"`
	Channel string        `json:"channel"`
	Kind    string        `json:"kind"` // "signtest", "forged", "replayed", "re-encoded", "amount", "unknown", "short-nonce", "no-resource"
}

// The kinds of probe that a channel's format can express. SIGNTEST, the nonce and the resource are WeChat's.
var (
	wechatProbes = []string{"signtest", "forged", "replayed", "re-encoded", "amount", "unknown", "short-nonce", "no-resource"}
	alipayProbes = []string{"forged", "replayed", "re-encoded", "amount", "unknown"}
)

// maxPlanOrders bounds a plan: 10,000,000 orders are 4 GB of them. Nobody means more; a wrong unit does.
const maxPlanOrders = 10_000_000

// NewPlan decides everything about a run of s. The same s and seed give the same plan, byte for byte, on any machine.
func NewPlan(s *scenarios.Scenario, seed uint64) (*Plan, error) {
	return newPlan(s, s.Curve(), seed)
}

func newPlan(s *scenarios.Scenario, curve scenarios.Curve, seed uint64) (*Plan, error) {
	switch total := curve.Total(); {
	case len(curve) < 2:
		return nil, fmt.Errorf("planning %s: the demand curve has no length", s.Name)
	case !(total <= maxPlanOrders): // catches NaN too
		return nil, fmt.Errorf("planning %s: the demand curve holds %.0f orders, more than %d", s.Name, total, maxPlanOrders)
	case s.Fleet.Machines < 1 || s.Fleet.Slots < 1:
		return nil, fmt.Errorf("planning %s: a fleet of %d machines with %d slots sells nothing", s.Name, s.Fleet.Machines, s.Fleet.Slots)
	}
	chance := func(component string) *stream { return newStream(seed, component) }

	due := arrivals(curve, s.Demand.Arrivals, chance("arrivals"))
	n := len(due)
	p := &Plan{
		Header: PlanHeader{
			Schema: PlanSchema, Scenario: s.Name, Seed: seed,
			Machines: s.Fleet.Machines, Slots: s.Fleet.Slots,
			Length: curve[len(curve)-1].At,
		},
		Orders: make([]PlanOrder, n),
	}
	channel := chance("channel").quotas(n, "wechat", share{"alipay", s.Payments.Alipay})
	buyer := chance("buyer").quotas(n, BuyerPays,
		share{BuyerAbandons, s.Buyers.Abandon}, share{BuyerLate, s.Buyers.Late}, share{BuyerTwice, s.Buyers.Twice})
	device := chance("device").quotas(n, DeviceDispenses,
		share{DeviceFails, s.Machines.Fail}, share{DeviceLate, s.Machines.Late},
		share{DeviceLostResult, s.Machines.LostResult}, share{DeviceOffline, s.Machines.Offline})
	untold := chance("untold").quotas(n, "", share{"untold", s.Payments.Notify.Lost})
	fates := map[string][]Fates{}
	for name, up := range map[string]scenarios.Upstream{
		"create": s.Upstream.Create, "query": s.Upstream.Query, "refund": s.Upstream.Refund, "unionid": s.Upstream.Identity,
	} {
		fates[name] = chance(name+"-fates").fates(n, up)
	}
	again := chance("again").quotas(n, "", share{"again", s.Payments.Notify.Duplicates})

	var (
		think, late, second, notify, apart = chance("think"), chance("late"), chance("second"), chance("notify"), chance("apart")
		takes, lateBy, offline             = chance("takes"), chance("late-by"), chance("offline")
		create, query, refund, unionid     = chance("create"), chance("query"), chance("refund"), chance("unionid")
	)
	places := newPlaces(s.Fleet, chance("machine"), chance("slot"))
	for i := range p.Orders {
		o := &p.Orders[i]
		*o = PlanOrder{
			Key: fmt.Sprintf("o%06d", i+1), Due: due[i],
			Channel: channel[i], Buyer: buyer[i], Device: device[i],
			Think: think.draw(s.Payments.Think), Notify: notify.draw(s.Payments.Notify.Delay), Again: -1,
			Takes:  takes.draw(s.Machines.Dispense),
			Create: create.draw(s.Upstream.Create.Delay), Query: query.draw(s.Upstream.Query.Delay),
			Refund: refund.draw(s.Upstream.Refund.Delay), Unionid: unionid.draw(s.Upstream.Identity.Delay),
			Untold:      untold[i] != "",
			CreateFates: fates["create"][i], QueryFates: fates["query"][i], RefundFates: fates["refund"][i], UnionidFates: fates["unionid"][i],
		}
		switch o.Buyer {
		case BuyerLate:
			o.Think = late.draw(scenarios.Delay{Kind: "uniform", B: 2 * LateLead})
		case BuyerTwice:
			o.Second = second.draw(scenarios.Delay{Kind: "uniform", B: 2 * time.Second})
		}
		if again[i] != "" && !o.Untold {
			o.Again = apart.draw(s.Payments.Notify.Apart)
		}
		switch o.Device {
		case DeviceLate:
			o.Takes += lateBy.draw(s.Machines.LateBy)
		case DeviceOffline:
			o.Offline = offline.draw(s.Machines.OfflineFor)
		}
		o.Machine, o.Slot = places.pick(o.Due, o.Due+o.Think+o.Notify+o.Offline+o.Takes)
	}
	p.Probes = newProbes(p.Orders, s.Payments.Probes, chance("probes"))
	calls, err := newCalls(s, seed)
	if err != nil {
		return nil, err
	}
	p.Calls = calls
	p.Header.Orders, p.Header.Probes, p.Header.Calls = len(p.Orders), len(p.Probes), len(p.Calls)
	return p, nil
}

// newProbes puts one probe for every 1/share payments among the notifies, each kind in its turn. It is due when the
// notify of some payment is, so probes come as thick as notifies do.
func newProbes(orders []PlanOrder, share float64, chance *stream) []PlanProbe {
	var payers []int
	for i := range orders {
		if orders[i].Buyer != BuyerAbandons {
			payers = append(payers, i)
		}
	}
	n := min(len(payers), int(math.Floor(float64(share*float64(len(payers)))+0.5)))
	shuffle(chance, payers)
	probes := make([]PlanProbe, n)
	turn := map[string]int{}
	for i := range probes {
		o := orders[payers[i]]
		kinds := wechatProbes
		if o.Channel == "alipay" {
			kinds = alipayProbes
		}
		probes[i] = PlanProbe{Due: o.Due + o.Think + o.Notify, Channel: o.Channel, Kind: kinds[turn[o.Channel]%len(kinds)]}
		turn[o.Channel]++
	}
	slices.SortStableFunc(probes, func(a, b PlanProbe) int { return cmp.Compare(a.Due, b.Due) })
	return probes
}

// Shard returns the part of the plan that worker i of n plays: the orders of the machines that hash to i, every n-th
// probe, and the calls whose subject hashes to i. The n shards together are the plan. It panics unless 0 <= i < n.
func (p *Plan) Shard(i, n int) *Plan {
	if i < 0 || i >= n {
		panic(fmt.Sprintf("shard %d of %d", i, n))
	}
	part := &Plan{Header: p.Header}
	for _, o := range p.Orders {
		if shardOf(o.Machine, n) == i {
			part.Orders = append(part.Orders, o)
		}
	}
	for k, probe := range p.Probes {
		if k%n == i {
			part.Probes = append(part.Probes, probe)
		}
	}
	for _, c := range p.Calls {
		subject, _, _ := strings.Cut(c.Subject, "/")
		if shardOf(subject, n) == i {
			part.Calls = append(part.Calls, c)
		}
	}
	part.Header.Orders, part.Header.Probes, part.Header.Calls = len(part.Orders), len(part.Probes), len(part.Calls)
	part.Header.Shard, part.Header.Shards = i, n
	return part
}

// shardOf says which of n workers has the machine: FNV-1a of its name.
func shardOf(machine string, n int) int {
	h := fnv.New64a()
	h.Write([]byte(machine))
	return int(h.Sum64() % uint64(n))
}
