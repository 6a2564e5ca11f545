package reports

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lunchrush/lunchrush/internal/stats"
)

func TestCapacityIsWhatWasConfirmedBelowWhatDidNotPass(t *testing.T) {
	c := sampleCapacity()
	a := c.Answer
	if !a.Found || a.Tentative || a.Machines != 7189 || a.AboveMachines != 7374 || a.Confirmed != "4 of 4" {
		t.Errorf("%+v", a)
	}
	for _, want := range []string{"carries at least 240 orders/s: 7,189 machines at the peak, with 120 orders an hour each", "not 246 here"} {
		if !strings.Contains(c.Headline(), want) {
			t.Errorf("%q lacks %q", c.Headline(), want)
		}
	}
}

func TestServiceThatHadNotTheProcessorsItMayHaveCarriesThatOrMore(t *testing.T) {
	c := sampleCapacity()
	if !c.Answer.AtLeast || c.Verdict() != "AT LEAST" || !strings.Contains(c.Answer.Why, "the service had 0.86 of the 2 that it may have") {
		t.Errorf("%s: %+v", c.Verdict(), c.Answer)
	}
	for _, change := range []func(){
		func() { c.Stated.Apart = true },
		func() { c.Stated.Apart, c.Stated.CPUs = false, 0 },
		func() { c.Stated.CPUs = 0.9 },
	} {
		change()
		c.Conclude()
		if c.Answer.AtLeast || c.Verdict() != "ANSWERED" || c.ExitCode() != ExitPass {
			t.Errorf("%s: %+v of %+v", c.Verdict(), c.Answer, c.Stated)
		}
	}
}

func TestCapacityVerdicts(t *testing.T) {
	change := func(of func(*Capacity)) *Capacity {
		c := sampleCapacity()
		c.Stated.CPUs = 0 // all that there are
		of(c)
		c.Conclude()
		return c
	}
	outcome := func(c *Capacity, n int, outcome string) { c.Trials[n-1].Outcome = outcome }
	for _, test := range []struct {
		name    string
		c       *Capacity
		verdict string
		code    int
		says    string
	}{
		{"nothing was played", change(func(c *Capacity) { c.Trials = nil }), "NO ANSWER", ExitInconclusive, "no trial was played"},
		{
			"only three of the confirming trials were played",
			change(func(c *Capacity) { c.Trials = c.Trials[:len(c.Trials)-1] }), "NOT CONFIRMED", ExitInconclusive, "(not confirmed)",
		},
		{
			"two of five refused: the load below is the answer, and that was never confirmed",
			change(func(c *Capacity) {
				n := len(c.Trials)
				outcome(c, n, TrialFailed)
				outcome(c, n-1, TrialFailed)
			}), "NOT CONFIRMED", ExitInconclusive, "6,834 machines",
		},
		{
			"the harness gave out above",
			change(func(c *Capacity) {
				for i := range c.Trials {
					if c.Trials[i].Outcome == TrialFailed {
						outcome(c, i+1, TrialInvalid)
					}
				}
			}), "AT LEAST", ExitPass, "at least 240",
		},
		{
			"the fleet is as large as the harness can be",
			change(func(c *Capacity) {
				c.Method.Ceiling = 7189
				c.Trials = slices.DeleteFunc(c.Trials, func(t CapacityTrial) bool { return t.Machines > 7189 })
			}), "AT LEAST", ExitPass, "at least",
		},
		{
			"money was lost, if only beyond the capacity",
			change(func(c *Capacity) { c.Trials[8].Loss = true }), "LOST", ExitViolated, "240",
		},
		{
			"its own fleet is not carried, and less is",
			change(func(c *Capacity) { c.Load.Machines = 8000 }), "ANSWERED", ExitMissed, "7,189",
		},
		{
			"not even the least load could be offered",
			change(func(c *Capacity) {
				c.Trials = c.Trials[:1]
				outcome(c, 1, TrialInvalid)
			}), "NO ANSWER", ExitInconclusive, "could be offered",
		},
		{
			"not even the least load was carried",
			change(func(c *Capacity) {
				c.Trials = c.Trials[:1]
				outcome(c, 1, TrialFailed)
			}), "NO ANSWER", ExitMissed, "not even the least load was carried",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.c.Verdict() != test.verdict || test.c.ExitCode() != test.code || !strings.Contains(test.c.Headline(), test.says) {
				t.Errorf("%s %d %q, want %s %d %q", test.c.Verdict(), test.c.ExitCode(), test.c.Headline(), test.verdict, test.code, test.says)
			}
		})
	}
}

func TestHeadroomIsTheLeastOfThreeTerms(t *testing.T) {
	for _, test := range []struct {
		name    string
		outage  OutageAsk
		rho     float64
		binds   string
		percent float64
	}{
		{"a short outage leaves it to chance", OutageAsk{ForNS: 60e9, DrainNS: 300e9, Retries: 0}, 0.7, "chance", 0.7},
		{"an outage that must be gone in its own time takes half", OutageAsk{ForNS: 60e9, DrainNS: 60e9, Retries: 0}, 0.5, "drain", 0.5},
		{"retries take their share of that", OutageAsk{ForNS: 60e9, DrainNS: 60e9, Retries: 1}, 0.25, "drain", 0.25},
		{"without an outage they bind by themselves", OutageAsk{ForNS: 0, DrainNS: 60e9, Retries: 1}, 0.5, "drain", 0.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := sampleCapacity()
			c.Outage = test.outage
			c.Conclude()
			s := c.Sizing
			if math.Abs(s.RhoMax-test.rho) > 1e-9 || s.Binds != test.binds || s.Machines != int(test.rho*7189+1e-6) {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestRetriesAreThoseOfTheCarriedLoadUnlessToldOtherwise(t *testing.T) {
	c := sampleCapacity()
	if math.Abs(c.Sizing.Retries-0.01) > 1e-9 {
		t.Errorf("%v", c.Sizing.Retries)
	}
}

func TestOneInstanceFewerIsNeverCalculated(t *testing.T) {
	c := sampleCapacity()
	if f := c.Sizing.Fewer; !f.Known || f.Machines != 0 {
		t.Errorf("%+v of the only instance", f)
	}
	c.Stated.Instances = 3
	c.Conclude()
	if f := c.Sizing.Fewer; f.Known || !strings.Contains(f.Says, "--instances 2") {
		t.Errorf("%+v of three", f)
	}
	chance := rand.New(rand.NewPCG(5, 6))
	c.Fewer = &FewerSearch{Deployed: "front 2, gate 2", ConfirmNeed: 2, ConfirmOf: 3, Resolution: 0.1}
	refused := sampleTrial(1, "ramp", 5032, chance)
	refused.Outcome = TrialFailed
	c.Fewer.Trials = []CapacityTrial{refused}
	c.Conclude()
	if f := c.Sizing.Fewer; f.Known || !strings.HasPrefix(f.Says, "front 2, gate 2 carried none of the loads tried: ") {
		t.Errorf("%+v of three, of which two carry nothing that was tried", f)
	}
	c.Fewer.Trials = nil
	for n, m := range []int{5032, 6038, 7189} {
		c.Fewer.Trials = append(c.Fewer.Trials, sampleTrial(n+1, "ramp", m, chance))
	}
	for n := range 2 {
		c.Fewer.Trials = append(c.Fewer.Trials, sampleTrial(n+4, StepConfirm, 7189, chance))
	}
	c.Conclude()
	if f := c.Sizing.Fewer; !f.Known || f.Machines != 5032 || !strings.Contains(f.Says, "as much as all of them") {
		t.Errorf("%+v of three, of which two carry as much", f)
	}
}

func TestMoneyLostWithOneInstanceFewerIsLost(t *testing.T) {
	c := sampleCapacity()
	c.Stated.Instances = 3
	lost := sampleTrial(9, "ramp", 5032, rand.New(rand.NewPCG(5, 6)))
	lost.Loss, lost.Outcome, lost.Why = true, TrialFailed, "2 orders lost"
	c.Fewer = &FewerSearch{Deployed: "front 2, gate 2", ConfirmNeed: 2, ConfirmOf: 3, Resolution: 0.1, Trials: []CapacityTrial{lost}}
	c.Conclude()
	if c.ExitCode() != ExitViolated || !strings.HasPrefix(c.Warnings[0], "money or goods were lost in 1 of") {
		t.Errorf("exit code %d, %q", c.ExitCode(), c.Warnings)
	}
	var b bytes.Buffer
	if err := CapacityText(&b, c); err != nil || !strings.Contains(b.String(), "ramp, one fewer") {
		t.Errorf("%v: the trial is not told:\n%s", err, b.String())
	}
}

func TestTheLimitThatBindsIsTheDeepestThatIsFull(t *testing.T) {
	full := func(of func(*Evidence)) *Capacity {
		c := sampleCapacity()
		for i := range c.Trials {
			e := &c.Trials[i].Evidence
			e.IdleCores = 1.5
			if c.Trials[i].Outcome == TrialFailed {
				of(e)
			}
		}
		c.Conclude()
		return c
	}
	for _, test := range []struct {
		name, want string
		of         func(*Evidence)
	}{
		{"nothing is full", Undetermined, func(*Evidence) {}},
		{"the machine's processors", "CPU of this machine", func(e *Evidence) { e.IdleCores = 0.05 }},
		{"the service's processors before the machine's", "CPU of the service", func(e *Evidence) { e.IdleCores, e.ServiceCores = 0.05, 1.95 }},
		{"threads", "threads of front", func(e *Evidence) { e.Workers[1].Busy = 63 }},
		{"threads that wait for connections", "connection pool of the service", func(e *Evidence) { e.Workers[1].Busy, e.PoolInUse, e.PoolWaiters = 63, 19.5, 30 }},
		{"connections that wait for a row", "row locks", func(e *Evidence) { e.PoolInUse, e.DBLockWaiters = 19.5, 18 }},
		{"the database's connections", "connections of the database", func(e *Evidence) { e.DBConnected = 151 }},
		{"the disk", "disk", func(e *Evidence) { e.PressureIO, e.PoolInUse = 0.8, 19.5 }},
		{"a quota", "CPU quota of the control group", func(e *Evidence) { e.QuotaCores, e.HarnessCores, e.ServiceCores, e.DatabaseCores = 1, 0.3, 0.4, 0.25 }},
		{"open files", "open files of the service", func(e *Evidence) { e.OpenFiles = 19900 }},
		{"memory", "memory of the service", func(e *Evidence) { e.ServiceRSS = 4 << 30 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := full(test.of).Binding
			if b.Name != test.want {
				t.Errorf("%s: %s", b.Name, b.Says)
			}
			for i := 1; i < len(b.Limits); i++ {
				if b.Limits[i].Full && !b.Limits[i-1].Full {
					t.Errorf("%s is ranked behind %s, which is not full", b.Limits[i].Name, b.Limits[i-1].Name)
				}
			}
		})
	}
}

func TestAMachineThatIsNotQuietIsSaid(t *testing.T) {
	c := sampleCapacity()
	for i := range c.Trials {
		if c.Trials[i].Outcome == TrialFailed {
			c.Trials[i].Outcome, c.Trials[i].Why = TrialInvalid, "lateness p99: 290 ms"
			c.Trials[i].Evidence.OtherCores = 1.4
		}
	}
	c.Conclude()
	if c.Binding.Name != "others on this machine" || !slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.HasPrefix(w, "others used this machine") }) {
		t.Errorf("%+v %q", c.Binding, c.Warnings)
	}
}

func TestALoadThatTheHostTookTheProcessorsFromIsABoundFromBelow(t *testing.T) {
	c := sampleCapacity()
	c.Stated.CPUs = 0 // all that there are
	for i := range c.Trials {
		if e := &c.Trials[i].Evidence; c.Trials[i].Outcome == TrialFailed {
			e.OtherCores, e.StealCores = 0, 0.4
			c.Trials[i].Outcome, c.Trials[i].Why = TrialInvalid, "create.p99: 1.84 s, wanted < 1s; but "+e.disturbance()+" meanwhile"
		}
	}
	c.Conclude()
	if c.Verdict() != "AT LEAST" || !strings.Contains(c.Answer.Why, "the next load could not be offered to the service alone: create.p99: 1.84 s, wanted < 1s; but the host of this virtual machine took 0.40 cores") {
		t.Errorf("%s: %q", c.Verdict(), c.Answer.Why)
	}
	if c.Binding.Name != "others on this machine" || !strings.HasPrefix(c.Binding.Says, "the host of this virtual machine took 0.40 cores, of 2 in all") {
		t.Errorf("%+v", c.Binding)
	}
	machine := c.Binding.Limits[slices.IndexFunc(c.Binding.Limits, func(l LimitUsed) bool { return l.Name == limitMachine })]
	if !strings.HasSuffix(machine.Says, "others 0.00, stolen 0.40") {
		t.Errorf("the machine's limit says %q", machine.Says)
	}
}

func TestTheCurveIsFittedToTrialsThatHadSettled(t *testing.T) {
	c := sampleCapacity()
	settled := 0
	for i := range c.Trials {
		if c.Trials[i].settled() {
			settled++
		}
	}
	if settled == 0 || settled == len(c.Trials) || !strings.Contains(c.curveText(), fmt.Sprintf("fitted to %d of %d trials", settled, len(c.Trials))) {
		t.Errorf("%d of %d trials had settled: %s", settled, len(c.Trials), c.curveText())
	}
	was := *c.Curve
	for i := range c.Trials {
		if tr := &c.Trials[i]; !tr.settled() {
			tr.Goodput *= 0.3 // the share of orders that were in time, whenever that was, is no throughput
		}
	}
	c.Conclude()
	if d := cmp.Diff(was, *c.Curve); d != "" {
		t.Errorf("a queue that grew changed the curve: %s", d)
	}
	if drawn := drawCurve(c); strings.Count(drawn, `trial unfitted`) != len(c.Trials)-settled+1 { // one is in the key
		t.Errorf("%d marks of trials that were not fitted, there are %d", strings.Count(drawn, `trial unfitted`)-1, len(c.Trials)-settled)
	}
	for name, change := range map[string]func(*CapacityTrial){
		"its backlog grew":             func(tr *CapacityTrial) { tr.Checks[1].Status = failed },
		"nobody knows its backlog":     func(tr *CapacityTrial) { tr.Checks[1].Status = unknown },
		"what was under way had grown": func(tr *CapacityTrial) { tr.Little.L, tr.Little.Off = 20, 0.3 },
	} {
		tr := c.Trials[0]
		tr.Checks = slices.Clone(tr.Checks)
		if change(&tr); tr.settled() || !c.Trials[0].settled() {
			t.Errorf("%s, and it had settled", name)
		}
	}
	c.Trials = c.Trials[7:9]
	c.Conclude()
	if c.Curve != nil || !strings.Contains(c.curveText(), "a fit needs 5 measurements") || !strings.Contains(c.curveText(), "2 trials that had not settled are left out") {
		t.Errorf("%q of two trials whose backlog grew", c.curveText())
	}
}

func TestCurveEndsWhereMeasurementsEnd(t *testing.T) {
	c := sampleCapacity()
	most := 0.0
	for _, tr := range c.Trials {
		if tr.settled() {
			most = max(most, tr.Little.L)
		}
	}
	if c.Curve == nil || c.Curve.To != most || c.Curve.Points[len(c.Curve.Points)-1].N != most {
		t.Fatalf("%+v", c.Curve)
	}
	if peak := c.Curve.Curve.Peak(); peak > most && strings.Contains(c.curveText(), "highest at") {
		t.Errorf("%q tells of a peak at %.0f, beyond %.0f", c.curveText(), peak, most)
	}
	for _, u := range []stats.USL{{Gamma: 100, Sigma: 0.2, Kappa: 0.1}, {Gamma: 100, Sigma: 1.2}} { // they fall from the start
		c.Curve.Curve, c.Curve.From = u, 10
		if text := c.curveText(); strings.Contains(text, "highest at") || !strings.Contains(text, "it falls from N = 10 on") {
			t.Errorf("of a peak at %.0f: %q", u.Peak(), text)
		}
	}
	c.Trials = c.Trials[:3]
	c.Conclude()
	if c.Curve != nil || !strings.Contains(c.curveText(), "a fit needs 5 measurements") {
		t.Errorf("%q of three trials", c.curveText())
	}
}

func TestLittleIsToldOfTrialsThatPassedWithEnoughUnderWay(t *testing.T) {
	c := sampleCapacity()
	l := c.Little
	c.Trials[len(c.Trials)-1].Little.Off = 0.2
	c.Conclude()
	if l.Within != l.Trials || c.Little.Within != l.Within-1 || c.Little.Worst != 0.2 {
		t.Errorf("%+v, then %+v", l, c.Little)
	}
	if !slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.HasPrefix(w, "Little's law holds") }) {
		t.Errorf("%q", c.Warnings)
	}
}

func TestTheSchemaIsThatOfTheCapacity(t *testing.T) {
	checkSchema(t, "capacity.schema.json", CapacitySchemaJSON, reflect.TypeFor[Capacity](), "capacity.json of a lunchrush search",
		"Rates are a second, cores are processors used on average, shares are fractions; *_ns are nanoseconds. -1 is not known.")
	empty := sampleCapacity()
	empty.Trials, empty.Ended = []CapacityTrial{}, EndedInterrupted
	empty.Conclude()
	for _, c := range []*Capacity{sampleCapacity(), empty} {
		var b bytes.Buffer
		if err := CapacityJSON(&b, c); err != nil {
			t.Fatal(err)
		}
		validateBy(t, CapacitySchemaJSON, &b)
	}
}

func TestCapacityIsDrawnWhateverTheTrialsAre(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	for n := range 12 {
		c := sampleCapacity()
		c.Trials = c.Trials[:n]
		for i := range c.Trials {
			if chance.IntN(3) == 0 {
				c.Trials[i].CreateP99NS, c.Trials[i].Goodput, c.Trials[i].Little.L, c.Trials[i].Offered = -1, 0, -1, 0
			}
		}
		c.Conclude()
		dir := t.TempDir()
		if err := WriteCapacity(dir, c); err != nil {
			t.Fatalf("%d trials: %v", n, err)
		}
		for _, name := range []string{CapacityHTMLFile, CapacityMDFile, CapacityJSONFile} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || len(text) == 0 || bytes.Contains(text, []byte("NaN")) || bytes.Contains(text, []byte("Inf")) {
				t.Errorf("%s of %d trials: %v, %d bytes", name, n, err, len(text))
			}
		}
	}
}

func TestTheMachineIsToldWithItsQuotaAndPressure(t *testing.T) {
	c := sampleCapacity()
	for i := range c.Trials {
		e := &c.Trials[i].Evidence
		e.QuotaCores, e.Throttled, e.StealCores, e.ServiceThrottled = 1.5, 0.12, 0.3, 41
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"html": func(b *bytes.Buffer) error { return CapacityHTML(b, c) }, "markdown": func(b *bytes.Buffer) error { return CapacityMarkdown(b, c) },
		"text": func(b *bytes.Buffer) error { return CapacityText(b, c) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"2 cores to use, a quota of 1.50, held back by it 12 % of the time, 0.30 stolen", "throttled in 41 periods", "pressure (PSI) on processors 59 %"} {
			if !strings.Contains(strings.ReplaceAll(b.String(), "\u00a0", " "), want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
	}
}

func TestCapacityIsConcludedAgainFromItsFile(t *testing.T) {
	was := sampleCapacity()
	var b bytes.Buffer
	if err := CapacityJSON(&b, was); err != nil {
		t.Fatal(err)
	}
	again, err := ReadCapacity(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(was, again); d != "" {
		t.Error(d)
	}
	if _, err := ReadCapacity([]byte(`{"schema": 9}`)); err == nil || !strings.Contains(err.Error(), "schema 9") {
		t.Errorf("of another schema: %v", err)
	}
}

func FuzzReadCapacity(f *testing.F) {
	var b bytes.Buffer
	small := sampleCapacity()
	small.Trials = small.Trials[5:8]
	small.Conclude()
	if err := CapacityJSON(&b, small); err != nil {
		f.Fatal(err)
	}
	f.Add(b.String())
	f.Add(`{"schema":1,"trials":[{"machines":-5,"outcome":"pass"},{"machines":0}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ReadCapacity([]byte(s))
		if err != nil {
			return
		}
		if err := CapacityHTML(new(bytes.Buffer), c); err != nil { // nor may it panic
			t.Error(err)
		}
	})
}

func TestNothingOfACapacityReportIsReadAsMarkup(t *testing.T) {
	c := sampleCapacity()
	const nasty = `<script>alert(1)</script>|*x*`
	c.Scenario, c.Engine, c.Trials[8].Why, c.CommandLine = nasty, nasty, nasty, []string{nasty}
	c.Conclude()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"html": func(b *bytes.Buffer) error { return CapacityHTML(b, c) }, "markdown": func(b *bytes.Buffer) error { return CapacityMarkdown(b, c) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "<script>") || name == "markdown" && strings.Contains(b.String(), "|*x*") {
			t.Errorf("%s has it as it was", name)
		}
	}
}
