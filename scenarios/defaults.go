package scenarios

import (
	"cmp"
	"time"
)

// Limits on everything that a file can ask for. They are far above what one machine can play, and far below what would
// hurt it to try.
const (
	fileMaxBytes   = 64 << 10
	machinesMax    = 100_000
	slotsMax       = 1_000
	stockMax       = 10_000
	priceMaxFen    = 1_000_000
	perHourMax     = 3_600.0
	timesMax       = 1_000.0
	speedMin       = 0.01
	speedMax       = 10_000.0
	peaksMax       = 50
	faultsMax      = 100
	storyMax       = 700 // characters: a paragraph
	codePlacesMax  = 12
	repeatsMax     = 1_000 // of one fault
	processesMax   = 100
	placesMax      = 16 // of prove --abreast
	delayMax       = time.Hour
	triesMax       = 10
	durationMax    = 24 * time.Hour
	lengthMin      = time.Second
	lengthMax      = 24 * time.Hour
	ordersMax      = 5_000_000
	rateMax        = 50_000.0 // orders a second
	connectionsMax = 100_000
)

// refundAfterDefault is the service's deadline when a scenario does not set it. 90 s is the best documented figure: how
// long a machine may show no detection before it counts as silent.
const refundAfterDefault = 90 * time.Second

// drainBeyond is how long the drain lasts past the refund deadline of the last payment.
const drainBeyond = 30 * time.Second

// defaults is what a file leaves out. Every figure here is ours unless it says otherwise.
func defaults() Scenario {
	return Scenario{
		Clock: Clock{Speed: 1},
		Fleet: Fleet{
			Slots:    40,
			Stock:    20,
			PriceFen: [2]int64{150, 650},
			Poll:     25 * time.Second,
			Beat:     30 * time.Second,
		},
		Demand: Demand{Arrivals: "even"},
		Buyers: Buyers{Patience: 30 * time.Second, Tries: 1, Again: time.Second},
		Payments: Payments{
			WeChat: 0.7,
			Alipay: 0.3,
			Think:  Delay{Kind: "constant", A: 3 * time.Second},
			Notify: Notify{
				Delay:   Delay{Kind: "constant", A: 300 * time.Millisecond},
				Ladder:  "channel",
				Timeout: 5 * time.Second, // WeChat Pay's documented limit
			},
		},
		Machines: Machines{
			Dispense: Delay{Kind: "uniform", A: time.Second, B: 2 * time.Second},
		},
		Messages: defaultMessages(),
		Upstream: Upstreams{
			Create:   newUpstream(80 * time.Millisecond),
			Query:    newUpstream(60 * time.Millisecond),
			Refund:   newUpstream(120 * time.Millisecond),
			Identity: newUpstream(40 * time.Millisecond),
		},
		Browse:   Browse{HotSlots: 10, Timeout: 5 * time.Second},
		Sale:     Sale{Timeout: 5 * time.Second},
		Uploads:  Uploads{Timeout: 5 * time.Second, Again: 2 * time.Second},
		Topology: Topology{Balancer: defaultBalancer(), Health: defaultHealth()},
		Service:  map[string]string{},
		AsWas:    map[string]string{},
	}
}

// newPeak is a peak before its fields are read.
func newPeak() Peak { return Peak{Ramp: 5 * time.Minute} }

// settle fills in the defaults that depend on other fields.
func (s *Scenario) settle() {
	if t := &s.Topology; t.Front+t.Gate+t.Shop+t.Notifier+t.Jobs > 0 {
		// Whoever gives one role its own processes gets one of each of the others, not none.
		for _, n := range []*int{&t.Front, &t.Gate, &t.Shop, &t.Notifier, &t.Jobs} {
			*n = cmp.Or(*n, 1)
		}
	}
	if s.Drain == 0 {
		s.Drain = s.refundAfter() + drainBeyond
	}
}

// refundAfter is the longer of both sides' refund deadlines: the drain must outlast it.
func (s *Scenario) refundAfter() time.Duration {
	longest := time.Duration(0)
	for _, switches := range []map[string]string{s.Service, s.AsWas} {
		if d, err := time.ParseDuration(switches["refund.after"]); err == nil {
			longest = max(longest, d)
		}
	}
	return cmp.Or(longest, refundAfterDefault)
}
