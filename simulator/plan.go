package simulator

import "time"

// A Plan is everything that a run decides by chance, decided before it starts: a pure function of a scenario and a seed.
// The run folder keeps it as plan.jsonl.zst; a run replays the plan, not the seed.
type Plan struct {
	Header PlanHeader
	Orders []PlanOrder // by Due
	Probes []PlanProbe // by Due
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
}

// PlanOrder is one buyer's order with everything that chance decides about it. Durations are nanoseconds.
type PlanOrder struct {
	Key     string        `json:"key"` // "o000001": request_id of the order
	Due     time.Duration `json:"due_ns"`
	Machine string        `json:"machine"` // "m00001"
	Slot    int           `json:"slot"`    // from 1
	Channel string        `json:"channel"`
	Buyer   string        `json:"buyer"`  // "pays", "abandons", "late", "twice"
	Think   time.Duration `json:"think_ns"`
	Notify  time.Duration `json:"notify_ns"` // payment to first send
	Again   time.Duration `json:"again_ns"`  // first send to its planned duplicate; -1 none
	Device  string        `json:"device"`    // "dispenses", "fails", "late", "lost-result", "offline"
	Takes   time.Duration `json:"takes_ns"`  // command to drop
	Offline time.Duration `json:"offline_ns,omitempty"`
	Create  time.Duration `json:"create_ns"` // the channel's answer times for this order
	Query   time.Duration `json:"query_ns"`
	Refund  time.Duration `json:"refund_ns"`
	Unionid time.Duration `json:"unionid_ns"`
}

// PlanProbe is one notification that must be refused.
type PlanProbe struct {
	Due     time.Duration `json:"due_ns"`
	Channel string        `json:"channel"`
	Kind    string        `json:"kind"` // "signtest", "forged", "replayed", "re-encoded", "amount", "unknown", "short-nonce", "no-resource"
}
