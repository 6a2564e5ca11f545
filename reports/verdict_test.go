package reports

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// many adds n orders that went as they should, a quarter of a second apart from 20 s on.
func (b *books) many(n int) {
	for i := range n {
		for line := range strings.Lines(fine) {
			w := strings.Fields(line)
			if len(w) == 0 {
				continue
			}
			var at float64
			fmt.Sscan(w[0], &at)
			if at < 100 {
				at += float64(i) / 4
			}
			b.tell(strings.ReplaceAll(fmt.Sprintf("%.3f %s", at, strings.Join(w[1:], " ")), "o1", fmt.Sprintf("f%d", i)))
		}
	}
}

const refundedLate = "22 paid b1 350\n52 refunded b1 350\n71.5 drops b1\n120 says b1 REFUNDED 350 tb1\n"

func TestTheVerdictWeighsWhatWasFound(t *testing.T) {
	tests := []struct {
		name     string
		with     func(*books)
		exit     int
		headline string // part of it
		likely   string // part of it
		since    string
	}{
		{name: "all is well", with: func(b *books) { b.many(3) }, exit: ExitPass, headline: "3 orders, 3 payments, 10.50 yuan: all accounted for"},
		{
			name: "an expectation is missed", exit: ExitMissed, headline: "notify.p99 is 297 ms, wanted < 200ms",
			with: func(b *books) { b.many(3); b.manifest.Expect = map[string]string{"notify.p99": "< 200ms"} },
		},
		{
			name: "an expectation is missed while the queue grew", exit: ExitMissed, likely: "the queue grew by 2.0 rows a second, to 38 rows",
			with: func(b *books) {
				b.many(3)
				b.manifest.Expect = map[string]string{"notify.p99": "< 200ms"}
				for i := range 20 {
					b.samples = append(b.samples, runlog.Sample{AtNS: int64(i) * second, Phase: "play", Backlog: 2 * i})
				}
			},
		},
		{
			name: "an expectation has no samples", exit: ExitInconclusive, headline: "an expectation cannot be judged: result.p99: no samples",
			with: func(b *books) { b.many(3); b.manifest.Expect = map[string]string{"result.p99": "< 1s"} },
		},
		{
			name: "an expectation has too few samples", exit: ExitInconclusive, headline: "notify.p999: 300 samples are too few: this needs 2995",
			with: func(b *books) { b.many(3); b.manifest.Expect = map[string]string{"notify.p999": "< 1s"} },
		},
		{
			name: "an expectation is in another unit", exit: ExitInconclusive, headline: "notify.p99 is a duration, and < 5% is not",
			with: func(b *books) { b.many(3); b.manifest.Expect = map[string]string{"notify.p99": "< 5%"} },
		},
		{
			name: "nothing measures an expectation", exit: ExitInconclusive, headline: "nothing measures this",
			with: func(b *books) { b.many(3); b.manifest.Expect = map[string]string{"notify.p98": "< 1s"} },
		},
		{name: "nothing happened at all", exit: ExitInconclusive, headline: "money and data cannot be judged: it is not known whether every order ends well (no orders)", with: func(*books) {}},
		{
			name: "the harness was late", exit: ExitInconclusive, headline: "the run proves nothing: lateness p99: 30.0 ms, wanted <= 5ms", likely: "with something else: harness 0.10 and service 0.20 of 2 cores",
			with: func(b *books) {
				b.many(3)
				for i := range b.sends["create.lateness"] {
					b.sends["create.lateness"][i] = 30 * time.Millisecond
				}
			},
		},
		{
			name: "the orders were late among many heartbeats in time", exit: ExitInconclusive, headline: "the run proves nothing: lateness p99 of create sends: 400 ms, wanted <= 29.7 ms",
			with: func(b *books) {
				b.many(3)
				for i := range 6 {
					b.sends["create.lateness"][i] = 400 * time.Millisecond
				}
				b.sends["heartbeat.lateness"] = slices.Repeat([]time.Duration{300 * time.Microsecond}, 2700)
			},
		},
		{name: "three of three hundred orders were late", exit: ExitPass, with: func(b *books) {
			b.many(3)
			for i := range 3 {
				b.sends["create.lateness"][i] = 400 * time.Millisecond
			}
			b.sends["heartbeat.lateness"] = slices.Repeat([]time.Duration{300 * time.Microsecond}, 2700)
		}},
		{
			name: "sends of a kind that an expectation names were late", exit: ExitInconclusive, headline: "lateness p99 of probe sends: 9.00 ms, wanted <= 5.00 ms",
			with: func(b *books) {
				b.many(3)
				b.sends["heartbeat.lateness"] = slices.Repeat([]time.Duration{300 * time.Microsecond}, 90000)
				b.sends["probe.lateness"] = slices.Repeat([]time.Duration{9 * time.Millisecond}, 300)
				b.sends["probe.response"] = b.sends["probe.lateness"]
				b.manifest.Expect = map[string]string{"probe.p99.moved": "< 1000%"}
			},
		},
		{
			name: "the harness left out sends", exit: ExitInconclusive, headline: "create sends: sent of offered: 290 of 300 (96.7 %)",
			with: func(b *books) { b.many(3); b.manifest.Sent["create"] = 290 },
		},
		{
			name: "the harness took the machine for itself", exit: ExitInconclusive, headline: "the harness's share of the machine: 95 %",
			with: func(b *books) { b.many(3); b.manifest.Generator.CPUNS = 190 * second },
		},
		{
			name: "a fault was not felt", exit: ExitInconclusive, headline: "felt: latency 200ms on mysql: 3ms",
			with: func(b *books) {
				b.many(3)
				b.manifest.Faults = []runlog.FaultPlan{{ID: "f1", What: "latency 200ms", On: "mysql"}}
				b.add(runlog.Record{Event: runlog.FaultFelt, ID: "f1", Note: "3ms, wanted 200ms"})
			},
		},
		{name: "a fault was felt", exit: ExitPass, with: func(b *books) {
			b.many(3)
			b.manifest.Faults = []runlog.FaultPlan{{ID: "f1", What: "latency 200ms", On: "mysql"}}
			b.add(runlog.Record{Event: runlog.FaultFelt, ID: "f1", OK: true, Note: "203ms, wanted 200ms"})
		}},
		{
			name: "a fault was never measured", exit: ExitInconclusive, headline: "never measured",
			with: func(b *books) { b.many(3); b.manifest.Faults = []runlog.FaultPlan{{ID: "f1"}} },
		},
		{name: "the plan is another one", exit: ExitInconclusive, headline: "the plan is the one that was played", with: func(b *books) {
			b.many(3)
			b.plan = "" // no file; the manifest still names a hash
			b.manifest.PlanSHA256 = "abc"
		}},
		{
			name: "the run was interrupted", exit: ExitInconclusive, headline: "it is not true that the run ended whole (interrupted",
			with: func(b *books) { b.many(3); b.manifest.Ended = "interrupted" },
		},
		{name: "the run was interrupted with money on its way", exit: ExitInconclusive, with: func(b *books) {
			b.tell("22 paid b1 350")
			b.manifest.Ended, b.manifest.DrainedAtNS = "interrupted", 0
		}},
		{
			name: "goods and money both went, for the queue was slow", exit: ExitViolated, since: "11:01:02",
			headline: "1 order dispensed and refunded (3.50 yuan), since 11:01:02",
			likely:   "callbacks waited up to 49.0 s in the queue, longer than the refund deadline of 30.0 s: the refund timer and the late callback both acted",
			with: func(b *books) {
				b.many(3)
				b.tell(refundedLate)
				b.samples = []runlog.Sample{{AtNS: 60 * second, Phase: "play", Backlog: 30, BacklogAge: 49}}
			},
		},
		{
			name: "a violated invariant stands above a failed certificate and a missed expectation", exit: ExitViolated, headline: "dispensed and refunded",
			with: func(b *books) {
				b.many(3)
				b.tell(refundedLate)
				b.manifest.Ended = "interrupted"
				b.manifest.Expect = map[string]string{"loss.total": "== 0"}
			},
		},
		{name: "a failed certificate stands above a missed expectation", exit: ExitInconclusive, with: func(b *books) {
			b.many(3)
			b.manifest.Expect = map[string]string{"notify.p99": "< 200ms"}
			b.manifest.Ended = "error"
			b.manifest.Error = "the database went away"
		}, headline: "the run proves nothing: it is not true that the run ended whole (error: the database went away)"},
		{
			name: "one notify, two commands", exit: ExitViolated, headline: "1 order dispensed twice (3.50 yuan), since 11:00:18",
			likely: "one payment, several notifies, several commands", with: func(b *books) {
				b.many(3)
				b.tell("22 paid b1 350\n23 notify b1\n23 notify b1 1 duplicate\n24 command b1 c1\n24 command b1 c2\n26 drops b1 c1\n28 drops b1 c2\n120 says b1 DISPENSED 350 tb1")
			},
		},
		{name: "a forged notification was taken", exit: ExitViolated, headline: "1 false notification taken (forged), since 11:00:20", with: func(b *books) {
			b.many(3)
			b.add(runlog.Record{At: 30 * second, Event: runlog.ProbeIntent, ID: "p1", Note: "forged"})
			b.add(runlog.Record{At: 30 * second, Event: runlog.ProbeAnswer, ID: "p1", Status: 200, Note: "forged"})
		}},
		{name: "a forged notification was refused", exit: ExitPass, with: func(b *books) {
			b.many(3)
			b.add(runlog.Record{At: 30 * second, Event: runlog.ProbeIntent, ID: "p1", Note: "forged"})
			b.add(runlog.Record{At: 30 * second, Event: runlog.ProbeAnswer, ID: "p1", Status: 401, OK: true, Note: "forged"})
		}},
		{name: "no forged notification was ever answered", exit: ExitInconclusive, with: func(b *books) {
			b.many(3)
			b.add(runlog.Record{At: 30 * second, Event: runlog.ProbeIntent, ID: "p1", Note: "forged"})
			b.add(runlog.Record{At: 30 * second, Event: runlog.ProbeAnswer, ID: "p1", Note: "forged"})
		}},
		{name: "rows were voided", exit: ExitViolated, likely: "1 pay_queue row was given up (status 4) and nothing made them good", with: func(b *books) {
			b.many(3)
			b.tell("22 paid b1 350\n120 says b1 PAYING\n120 queued b1 2 4")
		}},
		{name: "several classes at once", exit: ExitViolated, headline: "1 order dispensed and refunded, 1 lost (7.00 yuan), since 11:00:42", with: func(b *books) {
			b.many(3)
			b.tell(refundedLate + "22 paid b2 350\n120 says b2 PAID 350 tb2")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			b.add(runlog.Record{Event: runlog.Stock, Machine: "m9", Slot: 1, Fen: 5})
			b.add(runlog.Record{Event: runlog.ServiceSlot, Machine: "m9", Slot: 1, Fen: 5})
			tt.with(b)
			b.end()
			a := b.analyse()
			v := a.Verdict
			if v.ExitCode != tt.exit || !strings.Contains(v.Headline, tt.headline) || !strings.Contains(v.Likely, tt.likely) {
				t.Errorf("exit %d, %q, likely %q; want %d, %q, likely %q", v.ExitCode, v.Headline, v.Likely, tt.exit, tt.headline, tt.likely)
			}
			if tt.since != "" && v.SinceTime != tt.since {
				t.Errorf("since %s, want %s", v.SinceTime, tt.since)
			}
			if outcome := map[int]string{0: Pass, 97: Inconclusive, 98: Fail, 99: Fail}[tt.exit]; v.Outcome != outcome {
				t.Errorf("outcome %s, want %s", v.Outcome, outcome)
			}
			validate(t, a)
			var text bytes.Buffer
			if err := WriteText(&text, a, false); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(text.String(), v.Outcome+"  "+v.Headline) || strings.Contains(text.String(), "\x1b") {
				t.Errorf("the summary begins otherwise:\n%s", text.String())
			}
		})
	}
}

func TestAFolderWhoseWriterWasKilledIsJudgedAsFarAsItGoes(t *testing.T) {
	b := wholeRun(t)
	b.many(3)
	b.tell("24 paid x1 350\n25 paid x2 350\n30 drops x2\n40 refunded x2 350")
	b.records = slices.DeleteFunc(b.records, func(r runlog.Record) bool { return strings.HasPrefix(string(r.Event), "service.") })
	b.manifest.Ended, b.manifest.DrainedAtNS = "", 0
	b.kill = true
	f := b.folder()
	// The last interval of the latency log was being written.
	log, err := os.ReadFile(f.Path(runlog.LatencyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path(runlog.LatencyFile), log[:len(log)-40], 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := Analyse(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Audit.Classes; got[OKDispensed] != 3 || got[Indeterminate] != 1 || got[DispensedAndRefunded] != 1 {
		t.Errorf("%v", got)
	}
	if a.Verdict.ExitCode != ExitViolated {
		t.Errorf("%+v: what the books prove stands", a.Verdict)
	}
	for _, want := range []string{"latency.hlog breaks off", "the books were never closed"} {
		if !slices.ContainsFunc(a.Warnings, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no warning that %s: %q", want, a.Warnings)
		}
	}
	if i := slices.IndexFunc(a.Certificate, func(c Check) bool { return c.Got == "killed" }); i < 0 {
		t.Errorf("the certificate does not say that it was killed: %+v", a.Certificate)
	}
	validate(t, a)
}

func TestAFolderWithNothingButRunJSON(t *testing.T) {
	b := wholeRun(t)
	b.manifest = runlog.Manifest{ID: "x"}
	f := b.folder()
	for _, name := range []string{runlog.BooksFile, runlog.MetricsFile, runlog.LatencyFile, runlog.PlanFile} {
		if err := os.Remove(f.Path(name)); err != nil {
			t.Fatal(err)
		}
	}
	a, err := Analyse(f)
	if err != nil {
		t.Fatal(err)
	}
	if a.Verdict.ExitCode != ExitInconclusive {
		t.Errorf("%+v", a.Verdict)
	}
	if err := Write(f.Dir, a); err != nil {
		t.Error(err)
	}
	validate(t, a)
}

func TestTheSignatureIsSeenOnlyWhenEveryLineHolds(t *testing.T) {
	tests := []struct {
		name      string
		signature map[string]string
		want      bool
	}{
		{"no signature", nil, false},
		{"one that holds", map[string]string{"dispensed_and_refunded": "> 0"}, true},
		{"two that hold", map[string]string{"dispensed_and_refunded": "> 0", "pay_to_dispense.max": "> refund.after"}, true},
		{"one of two", map[string]string{"dispensed_and_refunded": "> 0", "double_dispense": "> 0"}, false},
		{"one that cannot be measured", map[string]string{"dispensed_and_refunded": "> 0", "backlog.slope": "> 0"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			b.tell(refundedLate)
			b.manifest.Signature = tt.signature
			b.end()
			a := b.analyse()
			if got := SignatureSeen(a); got != tt.want {
				t.Errorf("%v: %+v", got, a.Signature)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	tests := []struct {
		text    string
		op      string
		limit   float64
		unit    string
		err     string
		holds   []float64
		not     []float64
		isABare bool
	}{
		{text: "== 0", op: "==", holds: []float64{0}, not: []float64{1, -1}},
		{text: "!=0", op: "!=", holds: []float64{1}, not: []float64{0}},
		{text: "< 1s", op: "<", limit: 1e9, unit: "ns", holds: []float64{1e9 - 1}, not: []float64{1e9, 2e9}},
		{text: "<= 10%", op: "<=", limit: 0.1, unit: "share", holds: []float64{0.1}, not: []float64{0.11}},
		{text: "  >=1.5 ", op: ">=", limit: 1.5, holds: []float64{1.5, 2}, not: []float64{1.4}},
		{text: "> refund.after", op: ">", unit: "ns"},
		{text: "> -3", op: ">", limit: -3, holds: []float64{0}},
		{text: "0", err: "is not a condition"},
		{text: "= 0", err: "is not a condition"},
		{text: "< ", err: "is not a condition"},
		{text: "< fast", err: "is not a limit"},
		{text: "< NaN", err: "is not a limit"},
		{text: "> Inf%", err: "is not a limit"},
		{text: "< 1s 2s", err: "is not a condition"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			c, err := ParseCondition(tt.text)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("%v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || c.Op != tt.op || c.Limit != tt.limit || c.Unit != tt.unit {
				t.Fatalf("%+v, %v", c, err)
			}
			for _, v := range tt.holds {
				if !c.holds(v) {
					t.Errorf("%v does not hold", v)
				}
			}
			for _, v := range tt.not {
				if c.holds(v) {
					t.Errorf("%v holds", v)
				}
			}
		})
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, s := range []string{"== 0", "< 1s", "<= 10%", "> refund.after", "< 1e400", ">=-.5%", "", "<", "> 0x1p-2", "> 3x model", "METASTABLE or BROKEN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCondition(s)
		if err != nil {
			return
		}
		if math.IsNaN(c.Limit) || math.IsInf(c.Limit, 0) {
			t.Fatalf("%q has the limit %v", s, c.Limit)
		}
		again, err := ParseCondition(c.Text)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%q is %+v and, written and read again, %+v: %v", s, c, again, err)
		}
	})
}

func TestTheBoundOnLossStandsOnlyWhereNothingWentWrong(t *testing.T) {
	tests := []struct {
		name     string
		payments int
		classes  map[Class]int
		want     string
	}{
		{"nothing was paid", 0, map[Class]int{OKUnpaid: 9}, "no payment, so nothing is known about loss"},
		{"all went well", 600, map[Class]int{OKDispensed: 599, OKRefunded: 1}, "0 lost of 600 payments: at most 0.50 % with 95 % confidence"},
		{"two payments", 2, map[Class]int{OKDispensed: 2}, "0 lost of 2 payments: too few to bound the share"},
		{"some are lost", 600, map[Class]int{OKDispensed: 590, Lost: 4, AckedLost: 6}, "10 lost of 600 payments"},
		{"none is lost and most are given away", 600, map[Class]int{OKDispensed: 123, DispensedAndRefunded: 477}, ""},
		{"of one the books cannot tell", 600, map[Class]int{OKDispensed: 599, Indeterminate: 1}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := upperBound(Audit{Payments: tt.payments, Classes: tt.classes}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFalseNotificationsAreToldByWhatWasFalse(t *testing.T) {
	b := wholeRun(t)
	b.many(3)
	for i, kind := range []string{"signtest", "forged", "signtest", "replayed"} {
		at := int64(30+i) * second
		b.add(runlog.Record{At: at, Event: runlog.ProbeIntent, ID: kind, Note: kind})
		b.add(runlog.Record{At: at, Event: runlog.ProbeAnswer, ID: kind, Note: kind, Status: 401, OK: true})
	}
	b.end()
	a := b.analyse()
	validate(t, a)
	var text strings.Builder
	if err := WriteText(&text, a, false); err != nil {
		t.Fatal(err)
	}
	if want := "4 false notifications sent (forged 1, replayed 1, signtest 2), 0 taken"; !strings.Contains(text.String(), want) {
		t.Errorf("the summary does not say %q:\n%s", want, text.String())
	}
	if want := "4 false notifications sent (forged 1, replayed 1, signtest 2), 0 of them taken"; !strings.Contains(rendered(t, a), want) {
		t.Errorf("the page does not say %q", want)
	}
}
