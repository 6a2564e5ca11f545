package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The runs that the tests draw: made up, but shaped like real ones and always the same.

func sampleQuantiles(n int64, p50, p99 time.Duration) Quantiles {
	q := Quantiles{N: n, P50: int64(p50), P90: int64(p50 + (p99-p50)/3), P99: int64(p99), P999: int64(p99 * 2), Max: int64(p99*2 + time.Millisecond)}
	if n < 2995 {
		q.P999 = -1
	}
	if n < 299 {
		q.P99 = -1
	}
	if n == 0 {
		q = Quantiles{P50: -1, P90: -1, P99: -1, P999: -1, Max: -1}
	}
	return q
}

func sampleCurve(n int64, p50, p99 time.Duration) []CurveStep {
	var steps []CurveStep
	slope := math.Log(float64(p99)/float64(p50)) / (2 - 0.301)
	for nines := 0.0; nines < math.Log10(float64(n)); nines += 0.02 {
		steps = append(steps, CurveStep{1 - math.Pow(10, -nines), int64(float64(p50) * math.Exp(slope*(nines-0.301)))})
	}
	return append(steps, CurveStep{1, steps[len(steps)-1].NS + 1e5})
}

func sampleLatencies(orders int64, slow time.Duration) []Latency {
	var out []Latency
	for _, k := range []struct {
		kind     string
		n        int64
		p50, p99 time.Duration
	}{
		{"create", orders, 6 * time.Millisecond, 31*time.Millisecond + slow/4},
		{"notify", orders + orders/50, 4*time.Millisecond + slow/3, 19*time.Millisecond + slow},
		{"result", orders, 2 * time.Millisecond, 9 * time.Millisecond},
		{"heartbeat", orders * 8, 900 * time.Microsecond, 5 * time.Millisecond},
		{"probe", 12, time.Millisecond, 2 * time.Millisecond},
	} {
		out = append(out, Latency{
			Kind: k.kind, Response: sampleQuantiles(k.n, k.p50, k.p99), Service: sampleQuantiles(k.n, k.p50-200*time.Microsecond, k.p99*2/3),
			Lateness: sampleQuantiles(k.n, 60*time.Microsecond, 900*time.Microsecond), Curve: sampleCurve(k.n, k.p50, k.p99), Served: sampleCurve(k.n, k.p50-200*time.Microsecond, k.p99*2/3),
		})
	}
	return out
}

func sampleManifest(profile string, playFor time.Duration) runlog.Manifest {
	started := time.Date(2026, 11, 20, 11, 56, 0, 0, time.UTC)
	from := int64(3200 * time.Millisecond)
	return runlog.Manifest{
		Schema: 1, ID: "20261120-115600-peak-lunch-" + profile, Scenario: "peak-lunch", Title: "The lunch peak of 600 machines",
		Source: "a vending operator's account, 2019", Profile: profile, Seed: 7, Speed: 90, Machines: 600, ClockFrom: "10:30", ClockTo: "13:00",
		StartedAt: started, Finished: started.Add(playFor + 36*time.Second), Ended: "whole",
		PlayFromNS: from, PlayForNS: int64(playFor), DrainedAtNS: from + int64(playFor+28*time.Second), DeadlineNS: from + int64(playFor+30*time.Second),
		PlanSHA256: "9f2c41d0a5b36e7788c1f04b2d6a93e5170cbb84fe2936ad50e1c7f8a2b4d690",
		Planned:    map[string]int{"create": 412, "notify": 420}, Sent: map[string]int{"create": 412, "notify": 420, "result": 401, "heartbeat": 3300, "probe": 12},
		Unsent:  map[string]int{},
		Testbed: "local", TestbedWhy: []string{"containers: no engine answers at unix:///var/run/docker.sock"},
		Engine: "MariaDB 10.11.14, Redis 7.0.15", Service: "lunchrush serve, 1 process",
		ServiceCfg:  map[string]any{"refund.after": "10s"},
		Machine:     runlog.Fingerprint{CPU: "AMD EPYC 7B13", Cores: 2, Memory: 8 << 30, OS: "linux/amd64", Go: "go1.26.0"},
		Lunchrush:   "v0.1.0",
		CommandLine: []string{"lunchrush", "run", "peak-lunch", "--profile", profile, "--seed", "7"}, RefundAfterNS: int64(10 * time.Second),
		Generator: runlog.GeneratorCost{CPUNS: 9e9, WallNS: 130e9, MaxRSS: 61 << 20, ServiceCPU: 31e9, ServiceRSS: 90 << 20},
		Notes:     []string{"Totals are 1/90 of the real day's: only the demand curve is compressed."},
	}
}

// lunchRate is the envelope of the lunch peak at part 0..1 of the play, orders per second.
func lunchRate(part float64) float64 {
	switch {
	case part < 0.2:
		return 0.7
	case part < 0.25:
		return 0.7 + (part-0.2)/0.05*5
	case part < 0.75:
		return 5.7
	case part < 0.8:
		return 5.7 - (part-0.75)/0.05*5
	default:
		return 0.7
	}
}

// sampledPlay makes the samples of a run; slow says whether the queue is handled by one worker.
func sampledPlay(m *runlog.Manifest, slow bool) (samples []runlog.Sample, demand []DemandPoint) {
	random := rand.New(rand.NewPCG(7, 7))
	play := float64(m.PlayForNS)
	for _, part := range []float64{0, 0.2, 0.25, 0.75, 0.8, 1} {
		demand = append(demand, DemandPoint{m.PlayFromNS + int64(part*play), lunchRate(part - 1e-9)})
	}
	backlog, lost, open := 0.0, 0.0, 0.0
	for s := int64(1); s <= int64(play/1e9)+30; s++ {
		part := float64(s) * 1e9 / play
		rate, phase := lunchRate(part), "play"
		if part > 1 {
			rate, phase = 0, "drain"
		}
		creates := int(rate + random.Float64())
		done := rate
		if slow {
			done = min(rate+backlog, 2.2)
		}
		backlog = max(0, backlog+rate-done)
		age := backlog / 2.2
		open = backlog + rate*3
		refunds := 0
		if age > 10 {
			refunds = int(done)
			lost += done * 0.3
		}
		x := runlog.Sample{
			AtNS: m.PlayFromNS + s*1e9, Phase: phase, Offered: creates * 3, Sent: creates * 3, OK: creates * 3, Creates: creates, Paid: creates,
			Dropped: int(done + random.Float64()*0.9), Refunds: refunds, CreateP50MS: -1, CreateP99MS: -1, NotifyP50MS: -1, NotifyP99MS: -1,
			LatenessP99: 0.8, Backlog: int(backlog), BacklogAge: age, ServiceCPU: 0.1 + rate*0.06, HarnessCPU: 0.05 + rate*0.01, ServiceRSS: 90 << 20,
			Open: int(open), LossSoFar: int(lost), DBInUse: 3,
		}
		if creates > 0 {
			x.CreateP50MS, x.CreateP99MS = 5+random.Float64()*2, 9+random.Float64()*30
			x.NotifyP50MS, x.NotifyP99MS = 4+random.Float64()*2, 7+random.Float64()*12
			if slow {
				x.NotifyP99MS += age * 40
			}
		}
		samples = append(samples, x)
	}
	return samples, demand
}

// passedRun is a peak-lunch run in which everything held.
func passedRun() *Analysis {
	m := sampleManifest("hardened", 100*time.Second)
	a := &Analysis{
		Run:     m,
		Verdict: Verdict{Outcome: Pass, Headline: "0 lost of 412 orders", Since: -1},
		Certificate: []Check{
			{Name: "sent of planned", Want: ">= 99%", Got: "100.0%", Status: "pass", Samples: 832},
			{Name: "lateness.p99", Want: "<= 5ms", Got: "0.9ms", Status: "pass", Samples: 4145},
			{Name: "generator CPU", Want: "<= 80% of its cores", Got: "4%", Status: "pass", Samples: 130},
		},
		Invariants: []Check{
			{Name: "no order lost", Want: "== 0", Got: "0", Status: "pass", Samples: 412},
			{Name: "sum paid = sum dispensed + sum refunded + open", Want: "0 fen apart", Got: "0 fen", Status: "pass", Samples: 398},
			{Name: "false notifications taken", Want: "== 0", Got: "0", Status: "pass", Samples: 12},
		},
		Expect: []Check{
			{Name: "notify.p99", Want: "< 1s", Got: "19ms", Status: "pass", Samples: 420},
			{Name: "pay_to_dispense.p99", Want: "< 10s", Got: "4.1s", Status: "pass", Samples: 391},
		},
		Audit: Audit{
			Orders: 412, Classes: map[Class]int{OKDispensed: 391, OKRefunded: 7, OKUnpaid: 14}, PaidFen: 139300, DispensedFen: 136850, RefundedFen: 2450,
			Payments: 398, Notifies: 420, Probes: 12, ProbeKinds: map[string]int{"forged": 9, "signtest": 3}, UpperBound: "0 lost of 412: at most 0.73% with 95% confidence", Queue: QueueFacts{Rows: 398},
			PayToDrop: sampleQuantiles(391, 2100*time.Millisecond, 4100*time.Millisecond),
		},
		Latency: sampleLatencies(412, 0),
	}
	a.Timeline, a.Demand = sampledPlay(&m, false)
	return a
}

// failedRun is the same plan played against the service as it was.
func failedRun() *Analysis {
	m := sampleManifest("as-was", 100*time.Second)
	m.Scenario, m.ID = "callback-serial", "20261120-115600-callback-serial-as-was"
	m.Title = "Payment callbacks handled by one thread"
	m.ServiceCfg = map[string]any{"callback.workers": 1, "callback.lock": "table", "refund.guard": "none", "refund.after": "10s"}
	m.Faults = []runlog.FaultPlan{{ID: "f1", What: "latency 200ms±50ms", On: "mysql", FromNS: int64(40 * time.Second), ForNS: int64(20 * time.Second)}}
	m.DrainedAtNS = 0
	a := &Analysis{
		Run: m,
		Faults: []Fault{{
			ID: "f1", What: "latency 200ms±50ms", On: "mysql", FromNS: int64(40 * time.Second), ToNS: int64(60 * time.Second),
			Injected: true, Felt: true, Healed: true, Evidence: "203ms added to a round trip, wanted 200ms±50ms",
		}},
		Verdict: Verdict{
			Outcome: Fail, ExitCode: 98, Headline: "60 orders (210.00 yuan) dispensed and refunded, since 11:21:07",
			Likely: "callbacks waited in pay_queue for up to 98.2 s (132 rows at 12:20:00), longer than the refund deadline of 10 s: the refund timer fired on orders whose goods then fell",
			Since:  37300 * time.Millisecond, SinceTime: "11:21:07", LossFen: 21000,
		},
		Certificate: passedRun().Certificate,
		Invariants: []Check{
			{Name: "no order lost", Want: "== 0", Got: "0", Status: "pass", Samples: 412},
			{Name: "dispensed-and-refunded", Want: "== 0", Got: "60", Status: "fail", Samples: 412, Note: "first at 11:21:07"},
			{Name: "sum paid = sum dispensed + sum refunded + open", Want: "0 fen apart", Got: "-21000 fen", Status: "fail", Samples: 398},
		},
		Expect: []Check{
			{Name: "notify.p99", Want: "< 1s", Got: "3.9s", Status: "fail", Samples: 420},
			{Name: "pay_to_dispense.p99", Want: "< 10s", Got: "98.2s", Status: "fail", Samples: 391},
			{Name: "pay_to_dispense.p999", Want: "< 20s", Got: "-", Status: "unknown", Samples: 391, Note: "391 samples, 2,995 needed"},
		},
		Signature: []Check{{Name: "dispensed_and_refunded", Want: "> 0", Got: "60", Status: "pass", Samples: 412}},
		Audit: Audit{
			Orders: 412, Classes: map[Class]int{OKDispensed: 326, OKRefunded: 12, OKUnpaid: 14, DispensedAndRefunded: 60},
			PaidFen: 139300, DispensedFen: 135100, RefundedFen: 25200, LossFen: 21000, Payments: 398, Notifies: 420, Probes: 12,
			UpperBound: "60 wrong of 412: 14.6%", Queue: QueueFacts{Rows: 398, Waiting: 9, LaterThan60: 77},
			PayToDrop: sampleQuantiles(391, 31*time.Second, 98200*time.Millisecond),
		},
		Latency:  sampleLatencies(412, 4*time.Second),
		Warnings: []string{"The drain was not complete by its deadline: 9 pay_queue rows were still waiting.", "the ramp is steep for the service: at 11:50:30 the demand changes by 12 % a second, and an answer takes 3.9 s; the real day's did not. At --speed 2 it would not either"},
	}
	for i := range 60 {
		at := int64(37300*time.Millisecond) + int64(i)*int64(time.Second)
		b := BadOrder{
			Class: DispensedAndRefunded, Key: fmt.Sprintf("o%06d", 90+i*4), Order: fmt.Sprintf("LR20261120%06d", 90+i*4), Machine: fmt.Sprintf("m%05d", 17+i*9),
			Slot: 1 + i%40, Channel: []string{"wechat", "alipay"}[i%2], Fen: 350, AtNS: at, Why: "money back at 11:19:22, goods fell at 11:21:07",
		}
		for j, e := range []struct{ who, what string }{
			{"buyer", "asks for the order"},
			{"service", "order created, answered 201 in 6 ms"},
			{"channel", "paid 3.50 yuan, transaction 4200001" + b.Key},
			{"channel", "notify sent (1st)"},
			{"service", "answered 200 in 12 ms"},
			{"channel", "refunded 3.50 yuan, R" + b.Order},
			{"service", "command c" + b.Key + " dispense"},
			{"machine", "goods fell"},
			{"machine", "result dispensed, answered 200"},
			{"service", "order REFUNDED at the end"},
		} {
			b.Events = append(b.Events, Moment{at - int64(9-j)*int64(1300*time.Millisecond), e.who, e.what})
		}
		a.Audit.Bad = append(a.Audit.Bad, b)
	}
	a.Timeline, a.Demand = sampledPlay(&m, true)
	return a
}

// doubtfulRun is a run whose load was not what was planned.
func doubtfulRun() *Analysis {
	a := passedRun()
	a.Verdict = Verdict{Outcome: Inconclusive, ExitCode: 97, Headline: "the load was late: lateness p99 38ms, at most 5ms allowed", Likely: "the generator shared its 2 cores with other work", Since: -1}
	a.Certificate[1] = Check{Name: "lateness.p99", Want: "<= 5ms", Got: "38ms", Status: "fail", Samples: 4145, Note: "the machine was too busy to send on time"}
	a.Audit.UpperBound = ""
	return a
}

// killedRun is what remains of a run whose process was killed before its drain.
func killedRun() *Analysis {
	m := sampleManifest("hardened", 100*time.Second)
	m.Ended, m.Finished, m.DrainedAtNS, m.Generator = "", time.Time{}, 0, runlog.GeneratorCost{}
	a := &Analysis{
		Run:         m,
		Verdict:     Verdict{Outcome: Inconclusive, ExitCode: 97, Headline: "the run was cut short after 41 s: 3 orders are indeterminate", Since: -1},
		Certificate: []Check{{Name: "the run is whole", Want: "whole", Got: "cut short", Status: "fail"}},
		Audit: Audit{
			Orders: 130, Classes: map[Class]int{OKDispensed: 120, OKUnpaid: 7, Indeterminate: 3}, PaidFen: 43050, DispensedFen: 42000, OpenFen: 1050,
			Payments: 123, Notifies: 124, PayToDrop: Quantiles{P50: -1, P90: -1, P99: -1, P999: -1, Max: -1},
			Bad: []BadOrder{{Class: Indeterminate, Key: "o000128", Why: "the answer to POST /v1/orders never came", AtNS: 40e9}},
		},
	}
	a.Timeline, a.Demand = sampledPlay(&m, false)
	a.Timeline = a.Timeline[:38]
	return a
}

// halfHourRun is a failed run of 30 minutes with as many bad orders as an analysis lists.
func halfHourRun() *Analysis {
	a := failedRun()
	a.Run.Speed, a.Run.PlayForNS = 5, int64(1770*time.Second)
	a.Timeline, a.Demand = sampledPlay(&a.Run, true)
	a.Audit.Orders, a.Audit.Classes[DispensedAndRefunded] = 7412, 1400
	for len(a.Audit.Bad) < 1000 {
		a.Audit.Bad = append(a.Audit.Bad, a.Audit.Bad[:60]...)
	}
	a.Audit.Bad = a.Audit.Bad[:1000]
	return a
}
