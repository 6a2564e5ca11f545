package scenarios

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// good is the smallest scenario that loads; the tests below break it in one way each.
const good = `name: x
title: A small one
source: ours
clock: {from: "11:00", to: "12:00", speed: 60}
fleet: {machines: 10}
demand: {per_machine_hour: 6}
expect: {loss.total: "== 0"}
`

// knownHere is what a caller would pass in.
var knownHere = Known{
	Switches: map[string]func(string) error{
		"callback.workers": func(v string) error {
			if v == "0" {
				return errors.New("0 is not a whole number >= 1")
			}
			return nil
		},
		"refund.after": nil,
		"refund.guard": nil,
	},
	Measures: []string{"loss.total", "notify.p99", "pay_to_dispense.p99"},
	Faults:   map[string][]string{"outage": {"mode"}, "latency": {"by", "jitter"}},
}

func with(lines ...string) string { return good + strings.Join(lines, "\n") + "\n" }

func swap(old, line string) string {
	var out []string
	for l := range strings.Lines(good) {
		if strings.HasPrefix(l, old+":") {
			l = line + "\n"
		}
		if l != "\n" {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}

func TestLoadTellsEveryMistake(t *testing.T) {
	tests := []struct {
		name, src string
		want      string
	}{{
		name: "a misspelt field names its neighbours",
		src:  with("faults:", `  - {on: mysql, at: "11:10", fro: 10s, inject: latency}`),
		want: `x.yaml:9:5: faults[0].for: is missing; wants a duration such as 300ms or 1m30s
x.yaml:9:30: faults[0].fro: latency has no such parameter; did you mean for? accepted: at, by, every, for, inject, jitter, on, times, until`,
	}, {
		name: "a misspelt block names its neighbours",
		src:  with("payment: {wechat: 70%}"),
		want: `x.yaml:8:1: payment: no such field; did you mean payments? accepted: ` + topLevel(),
	}, {
		name: "a misspelt field deep down",
		src:  with("payments: {notify: {duplicate: 2%}}"),
		want: `x.yaml:8:21: payments.notify.duplicate: no such field; did you mean duplicates? accepted: apart, delay, duplicates, ladder, lost, timeout`,
	}, {
		name: "a key of strange characters is quoted and cut",
		src:  with(`"a key\twith a tab that goes on and on and on and on": 1`),
		want: `x.yaml:8:1: "a key\twith a tab that goes on and on and...": no such field; accepted: ` + topLevel(),
	}, {
		name: "every mistake at once, in the order of the file",
		src: `name: x
title: ""
source: 7
clock: {from: "25:00x", to: "12:00"}
fleet: {machines: 0, slots: many}
demand: {per_machine_hour: -1}
expect: {}
`,
		want: `x.yaml:2:8: title: is empty; wants a text of at most 120 characters
x.yaml:3:9: source: "7" is not text; put it in quotes
x.yaml:4:15: clock.from: "25:00x" is not a time of day; a time of day is like "11:56" or "24:30"
x.yaml:5:19: fleet.machines: 0 is not between 1 and 100000
x.yaml:5:29: fleet.slots: "many" is not a number; wants a whole number from 1 to 1000
x.yaml:6:28: demand.per_machine_hour: -1 is not between 0 and 3600`,
	}, {
		name: "an empty file",
		src:  "",
		want: `x.yaml:1:1: is empty; wants name, title, source, clock, fleet, demand, expect`,
	}, {
		name: "a file of comments only",
		src:  "# nothing\n",
		want: `x.yaml:1:1: is empty; wants name, title, source, clock, fleet, demand, expect`,
	}, {
		name: "nothing, written as such",
		src:  "~\n",
		want: `x.yaml:1:1: is empty; wants name, title, source, clock, fleet, demand, expect`,
	}, {
		name: "one word",
		src:  "hello\n",
		want: `x.yaml:1:1: is a single value; wants a mapping of name, title, source, clock, fleet, demand, expect`,
	}, {
		name: "a list where the scenario should be",
		src:  "- name: x\n",
		want: `x.yaml:1:1: is a list; wants a mapping of name, title, source, clock, fleet, demand, expect`,
	}, {
		name: "everything required is missing",
		src:  "name: x\n",
		want: `x.yaml:1:1: title: is missing; wants a text of at most 120 characters
x.yaml:1:1: source: is missing; wants a text of at most 200 characters
x.yaml:1:1: clock: is missing; wants a mapping of from, to, speed
x.yaml:1:1: fleet: is missing; wants a mapping of machines, slots, stock, price_fen, poll, beat
x.yaml:1:1: demand: is missing; wants a mapping of per_machine_hour, peaks, arrivals, capacity
x.yaml:1:1: expect: is missing; wants a mapping of measures to conditions, such as {notify.p99: "< 1s"}`,
	}, {
		name: "what is no YAML",
		src:  "name: x\ntitle: 'open\n",
		want: `x.yaml:2:1: is not YAML; found unexpected end of stream`,
	}, {
		name: "bytes that are not UTF-8 are found",
		src:  "name: x\ntitle: caf\xe9\n",
		want: `x.yaml:2:11: is not UTF-8; save the file as UTF-8`,
	}, {
		name: "two documents",
		src:  good + "---\n" + good,
		want: `x.yaml:8:1: holds a second document; one file is one scenario; remove the ---`,
	}, {
		name: "brackets nested without end",
		src:  "faults: " + strings.Repeat("[", 5000),
		want: `x.yaml:1:29: is nested deeper than 20`,
	}, {
		name: "a file that is too large",
		src:  good + strings.Repeat("#", 70<<10),
		want: `x.yaml: is larger than 64 KiB`,
	}, {
		name: "a block given twice",
		src:  with("buyers: {late: 1%}", "buyers: {twice: 1%}"),
		want: `x.yaml:9:1: buyers: is given twice, first in line 8`,
	}, {
		name: "a field given twice in one block",
		src:  with("buyers: {late: 1%, late: 2%}"),
		want: `x.yaml:8:20: buyers.late: is given twice, first in line 8`,
	}, {
		name: "an anchor, an alias and a merge key",
		src:  with("buyers: &b {late: 1%}", "payments: {think: *b}", "upstream: {<<: {create: 1s}}"),
		want: `x.yaml:8:9: buyers: anchors are not read; write the value without &b
x.yaml:9:19: payments.think: aliases are not read; write the value out
x.yaml:10:12: upstream.<<: merge keys are not read; write the fields out`,
	}, {
		name: "an alias bomb is refused, not blown up",
		src: with("buyers: &a {late: 1%}", "payments: &b {think: [*a,*a,*a]}", "machines: &c {fail: [*b,*b,*b]}",
			"upstream: {create: [*c,*c,*c]}"),
		want: `x.yaml:8:9: buyers: anchors are not read; write the value without &a
x.yaml:9:11: payments: anchors are not read; write the value without &b
x.yaml:10:11: machines: anchors are not read; write the value without &c
x.yaml:11:20: upstream.create: is a list; wants a delay such as 300ms, 100ms..2s or "lognormal 180ms 0.4"`,
	}, {
		name: "a tag",
		src:  with("drain: !!binary aGk="),
		want: `x.yaml:8:8: drain: tags are not read; write the value without !!binary`,
	}, {
		name: "a field with nothing behind it",
		src:  with("buyers:"),
		want: `x.yaml:8:8: buyers: is empty; wants a mapping of abandon, late, twice, patience, tries, again`,
	}, {
		name: "a mapping where a value should be, and the other way round",
		src:  with("drain: {a: 1}", "buyers: 3%"),
		want: `x.yaml:8:8: drain: is a mapping; wants a duration such as 300ms or 1m30s
x.yaml:9:9: buyers: is a single value; wants a mapping of abandon, late, twice, patience, tries, again`,
	}, {
		name: "a key that is a list",
		src:  with("? [a, b]", ": 1"),
		want: `x.yaml:8:3: a key is a list; keys are plain words`,
	}, {
		name: "durations without a unit, of a wrong one, negative, too long",
		src:  with("payments: {think: 3, notify: {delay: 3sec, timeout: -1s}}", "drain: 3h"),
		want: `x.yaml:8:19: payments.think: 3 has no unit; did you mean 3s?
x.yaml:8:38: payments.notify.delay: "3sec" is not a delay; a delay is like 300ms, 100ms..2s or "lognormal 180ms 0.4"
x.yaml:8:53: payments.notify.timeout: -1s is negative
x.yaml:9:8: drain: 3h is not between 1s and 1h`,
	}, {
		name: "delays that are no distributions",
		src: with("upstream:", "  create: 2s..1s", "  query: lognormal 180ms", "  refund: lognormal 180ms 0.401", "  identity: lognormal 2h 4",
			"machines: {dispense: 2h}"),
		want: `x.yaml:9:11: upstream.create: 2s..1s ends before it begins; did you mean 1s..2s?
x.yaml:10:10: upstream.query: "lognormal 180ms" is not a delay; it is written "lognormal 180ms 0.4": median, then sigma
x.yaml:11:11: upstream.refund: sigma 0.401 has more than two decimals
x.yaml:12:13: upstream.identity: sigma 4 is not between 0 and 3
x.yaml:13:22: machines.dispense: 2h is longer than 1h`,
	}, {
		name: "quantiles that are no table",
		src: with("upstream:", "  create: quantiles 50%=80ms", "  query: quantiles 50%=2s 99%=1s 100%=3s", "  refund: quantiles 50=80ms",
			"  identity: quantiles 0%=1s 100%=2s"),
		want: `x.yaml:9:11: upstream.create: "quantiles 50%=80ms" does not end with 100%; say what the slowest takes
x.yaml:10:10: upstream.query: 99%=1s comes after 50%=2s: quantiles rise
x.yaml:11:11: upstream.refund: 50 has no %; did you mean 50%?
x.yaml:12:13: upstream.identity: 0%=1s: the first quantile is above 0%`,
	}, {
		name: "an upstream's mapping with its own mistakes",
		src: with("upstream:", "  create: {error: 5%}", "  query: {errors: 80%, hang: 30%}", "  refund: {code: oops}",
			"  identity: {status: 200, delay: soon}"),
		want: `x.yaml:9:12: upstream.create.error: no such field; did you mean errors? accepted: code, delay, errors, hang, status
x.yaml:11:18: upstream.refund.code: "oops" is not a code; a code is like SYSTEM_ERROR or A004
x.yaml:12:22: upstream.identity.status: 200 is not between 400 and 599
x.yaml:12:34: upstream.identity.delay: "soon" is not a delay; a delay is like 300ms, 100ms..2s or "lognormal 180ms 0.4"`,
	}, {
		name: "more errors and silences than calls",
		src:  with("upstream: {query: {errors: 80%, hang: 30%}}"),
		want: `x.yaml:8:19: upstream.query: errors and hang make 110%, more than 100%; the rest is served`,
	}, {
		name: "shares without a sign, above all, below nothing, in words",
		src:  with("buyers: {abandon: 0.03, late: 120%, twice: -1%}", "machines: {fail: few, late: 3}"),
		want: `x.yaml:8:19: buyers.abandon: 0.03 has no %; did you mean 3%?
x.yaml:8:31: buyers.late: 120% is more than 100%
x.yaml:8:44: buyers.twice: -1% is negative
x.yaml:9:18: machines.fail: "few" is not a share; a share is like 2% or 0.5%
x.yaml:9:29: machines.late: 3 has no %; did you mean 3%?`,
	}, {
		name: "shares that do not make a whole",
		src:  with("payments: {wechat: 70%, alipay: 40%}", "buyers: {abandon: 50%, late: 60%}", "machines: {fail: 90%, lost_result: 5%, offline: 10%, offline_for: 3s}"),
		want: `x.yaml:8:11: payments: wechat 70% and alipay 40% make 110%, not 100%; the two channels share all payments
x.yaml:9:9: buyers: abandon, late and twice make 110%, more than 100%; the rest pay once
x.yaml:10:11: machines: fail, late, lost_result and offline make 105%, more than 100%; the rest dispense and report`,
	}, {
		name: "a channel's share alone does not leave the other's default standing",
		src:  with("payments: {wechat: 90%}"),
		want: `x.yaml:8:11: payments: wechat 90% and alipay 30% make 120%, not 100%; the two channels share all payments`,
	}, {
		name: "shares that need a duration beside them",
		src:  with("machines: {late: 1%, offline: 1%}"),
		want: `x.yaml:8:11: machines.late_by: is missing, although late is 1%; say how long a late drop takes
x.yaml:8:11: machines.offline_for: is missing, although offline is 1%; say how long the machine stays away`,
	}, {
		name: "a number in quotes",
		src:  swap("fleet", `fleet: {machines: "600"}`),
		want: `x.yaml:5:19: fleet.machines: is text, wants a whole number from 1 to 100000; write it without quotes`,
	}, {
		name: "a fraction of a machine, a number in hexadecimal, no number at all",
		src:  swap("fleet", `fleet: {machines: 1.5, slots: 0x10, stock: .inf}`),
		want: `x.yaml:5:19: fleet.machines: 1.5 is not a whole number
x.yaml:5:31: fleet.slots: "0x10" is not a number; wants a whole number from 1 to 1000
x.yaml:5:44: fleet.stock: ".inf" is not a number; wants a whole number from 1 to 10000`,
	}, {
		name: "too many machines",
		src:  swap("fleet", "fleet: {machines: 1000000000000000000000}"),
		want: `x.yaml:5:19: fleet.machines: 1000000000000000000000 is not between 1 and 100000`,
	}, {
		name: "prices that are none",
		src:  swap("fleet", "fleet: {machines: 1, price_fen: 1.50}"),
		want: `x.yaml:5:33: fleet.price_fen: "1.50" is not a price range; prices are whole fen: 300 or 150..650`,
	}, {
		name: "more orders than a plan may hold",
		src: `name: x
title: A large one
source: ours
clock: {from: "00:00", to: "24:00"}
fleet: {machines: 100000}
demand: {per_machine_hour: 100}
expect: {loss.total: "== 0"}
`,
		want: `x.yaml:6:9: demand: comes to 240000000 orders, more than 5000000`,
	}, {
		name: "no order at all",
		src:  swap("demand", "demand: {per_machine_hour: 0}"),
		want: `x.yaml:6:9: demand: comes to no order at all; raise per_machine_hour or machines, or lower speed`,
	}, {
		name: "a clock that runs backwards across midnight",
		src:  swap("clock", `clock: {from: "20:30", to: "00:30"}`),
		want: `x.yaml:4:28: clock.to: 00:30 is not after from, 20:30; past midnight the hours go on; did you mean 24:30?`,
	}, {
		name: "a clock that begins past midnight",
		src:  swap("clock", `clock: {from: "24:30", to: "25:00"}`),
		want: `x.yaml:4:15: clock.from: 24:30 is past midnight; only to may lie past midnight`,
	}, {
		name: "a clock that begins at the end of the day",
		src:  swap("clock", `clock: {from: "24:00", to: "25:00"}`),
		want: `x.yaml:4:15: clock.from: 24:00 is past midnight; only to may lie past midnight`,
	}, {
		name: "an anchor in a list, a mapping in a list",
		src:  with("needs: [&a innodb, {b: c}]"),
		want: `x.yaml:8:9: needs[0]: anchors are not read; write the value without &a
x.yaml:8:20: needs[1]: is a mapping; wants one of containers, innodb, redis, replica`,
	}, {
		name: "a scenario behind an anchor",
		src:  "&a\nname: x\n",
		want: `x.yaml:1:1: anchors are not read; write the value without &a`,
	}, {
		name: "a name and a title one character too long",
		src:  "name: " + strings.Repeat("x", 41) + "\ntitle: " + strings.Repeat("x", 121) + "\n" + strings.Join(strings.SplitAfter(good, "\n")[2:], ""),
		want: `x.yaml:1:7: name: "` + strings.Repeat("x", 40) + `..." is not a name of small letters, digits and hyphens, 40 at most
x.yaml:2:8: title: is longer than 120 characters`,
	}, {
		name: "a clock longer than a day",
		src:  swap("clock", `clock: {from: "10:00", to: "36:00", speed: 100}`),
		want: `x.yaml:4:28: clock.to: 36:00 is more than a day after from, 10:00`,
	}, {
		name: "a run too short to measure",
		src:  swap("clock", `clock: {from: "10:00", to: "10:01", speed: 100}`),
		want: `x.yaml:4:44: clock.speed: at speed 100 the run would last 600ms, less than 1s`,
	}, {
		name: "an hour that is none",
		src:  swap("clock", `clock: {from: "10:60", to: "99:00"}`),
		want: `x.yaml:4:15: clock.from: "10:60" is not a time of day; a time of day is like "11:56" or "24:30"
x.yaml:4:28: clock.to: "99:00" is not a time of day; a time of day is like "11:56" or "24:30"`,
	}, {
		name: "peaks backwards, outside the clock, steeper than they are long",
		src: swap("demand", `demand:
  per_machine_hour: 6
  peaks:
    - {from: "11:40", to: "11:20", times: 6}
    - {from: "13:00", to: "14:00", times: 6}
    - {from: "11:00", to: "11:05", times: 6, ramp: 3m}`),
		want: `x.yaml:9:27: demand.peaks[0].to: 11:20 is not after from, 11:40
x.yaml:10:14: demand.peaks[1].from: the peak from 13:00 to 14:00 is outside the clock, 11:00 to 12:00
x.yaml:11:52: demand.peaks[2].ramp: 3m up and 3m down do not fit between 11:00 and 11:05`,
	}, {
		name: "lulls that overlap below zero",
		src: swap("demand", `demand:
  per_machine_hour: 6
  peaks: [{from: "11:10", to: "11:40", times: 0.2}, {from: "11:20", to: "11:50", times: 0.1}]`),
		want: `x.yaml:8:10: demand.peaks: bring the rate below zero; overlapping peaks add up`,
	}, {
		name: "arrivals and needs that nobody knows",
		src:  swap("demand", "demand: {per_machine_hour: 6, arrivals: poison}") + "needs: [inodb, innodb, innodb]\n",
		want: `x.yaml:6:41: demand.arrivals: "poison" is not known here; did you mean poisson? accepted: even, poisson
x.yaml:8:9: needs[0]: "inodb" is not known here; did you mean innodb? accepted: containers, innodb, redis, replica
x.yaml:8:24: needs[2]: "innodb" is given twice`,
	}, {
		name: "more places than prove has",
		src:  swap("demand", "demand: {per_machine_hour: 6}") + "places: 17\n",
		want: `x.yaml:8:9: places: 17 is not between 1 and 16`,
	}, {
		name: "places of a scenario that takes them all",
		src:  swap("demand", "demand: {per_machine_hour: 6}") + "places: 2\nalone: yes\n",
		want: `x.yaml:8:9: places: is 2, although alone takes all of them; leave it out`,
	}, {
		name: "a fault that does not exist",
		src:  with("faults:", `  - {at: "11:00", for: 5s, on: balancer, inject: outage}`) + `  - {at: "11:10", for: 5s, on: balancer, inject: outrage}` + "\n",
		want: `x.yaml:10:50: faults[1].inject: nothing can inject "outrage"; did you mean outage? accepted: latency, outage`,
	}, {
		name: "a fault outside the clock",
		src:  with("faults:", `  - {at: "12:00", for: 5s, on: balancer, inject: outage}`),
		want: `x.yaml:9:10: faults[0].at: 12:00 is outside the clock, 11:00 to 12:00`,
	}, {
		name: "a switch that the service does not have, one that is no name, a value it does not take",
		src:  with("service: {callback.worker: 1, 7: 1}", "as-was: {callback.workers: 0, refund.guard: [a]}", `signature: {loss.total: "> 0"}`),
		want: `x.yaml:8:11: service.callback.worker: the service has no such switch; did you mean callback.workers? accepted: callback.workers, refund.after, refund.guard
x.yaml:8:31: service.7: is not the name of a switch; switches are named like callback.workers
x.yaml:9:28: as-was.callback.workers: 0 is not a whole number >= 1
x.yaml:9:45: as-was.refund.guard: is a list; wants a word, a number or a duration`,
	}, {
		name: "a measure that nobody takes, a condition that is none",
		src:  swap("expect", `expect: {notify.p9: "< 1s", loss.total: zero, notify.p99: "< 1 s"}`),
		want: `x.yaml:7:10: expect.notify.p9: nothing measures this; did you mean notify.p99? accepted: loss.total, notify.p99, pay_to_dispense.p99
x.yaml:7:41: expect.loss.total: "zero" is not a condition; a condition is like "== 0", "< 1s", "<= 10%" or "> refund.after"
x.yaml:7:59: expect.notify.p99: "< 1 s" is not a condition; a condition is like "== 0", "< 1s", "<= 10%" or "> refund.after"`,
	}, {
		name: "a time compared with a bare number would be nanoseconds",
		src:  swap("expect", `expect: {notify.p99: "< 5"}`),
		want: `x.yaml:7:22: expect.notify.p99: notify.p99 is a time, "< 5" has no unit of time; write it with a unit, such as < 1s`,
	}, {
		name: "a condition that refers to what no run folder keeps",
		src:  swap("expect", `expect: {notify.p99: "< refund.aftr"}`),
		want: `x.yaml:7:22: expect.notify.p99: "refund.aftr" is nothing that a run can be compared with; accepted: refund.after`,
	}, {
		name: "a run that could not fail",
		src:  swap("expect", "expect: {}"),
		want: `x.yaml:7:9: expect: expects nothing: such a run could not fail; loss.total: "== 0" is the least`,
	}, {
		name: "an as-was side without its signature",
		src:  with("as-was: {refund.guard: none}"),
		want: `x.yaml:1:1: signature: is missing, although there is as-was; say what shows that the failure is back`,
	}, {
		name: "a signature without its as-was side",
		src:  with(`signature: {loss.total: "> 0"}`),
		want: `x.yaml:1:1: as-was: is missing, although there is a signature; say which switches bring the failure back`,
	}, {
		name: "a name that is not the file's",
		src:  swap("name", "name: y"),
		want: `x.yaml:1:7: name: y is not the file's name; did you mean x?`,
	}, {
		name: "a name that could not name a folder",
		src:  swap("name", "name: ../x"),
		want: `x.yaml:1:7: name: "../x" is not a name of small letters, digits and hyphens, 40 at most`,
	}, {
		name: "a title of two lines",
		src:  swap("title", `title: "a\nb"`),
		want: `x.yaml:2:8: title: holds a control character or a line break`,
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Load("x.yaml", []byte(tt.src), knownHere)
			if err == nil {
				t.Fatalf("loaded %+v, want %s", s, tt.want)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoadReadsWhatIsThere(t *testing.T) {
	src := with(
		"buyers: {abandon: 3%, late: 0.5%}",
		`payments: {wechat: 100%, alipay: 0%, think: 1s..2s, notify: {delay: "lognormal 180ms 0.4"}}`,
		"topology: {front: 2}",
		"service: {refund.after: 30s}",
		"as-was: {callback.workers: 1}",
		`signature: {pay_to_dispense.p99: "> refund.after", loss.total: ">= 10%"}`,
		"needs: [innodb]",
	)
	s, err := Load("dir/x.yaml", []byte(src), knownHere)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(s.Name, s.Clock, s.Fleet, s.Buyers, s.Payments, s.Topology, s.Service, s.AsWas, s.Expect, s.Signature, s.Drain, s.Needs)
	want := `x {11:00 12:00 60} {10 40 20 [150 650] 25s 30s} {0.03 0.005 0 30s 1 1s} ` +
		`{1 0 1s..2s {lognormal 180ms 0.4 0 0s 0 channel 5s} 0} {2 1 1 1 1 0 0 {10s 2s true map[]} {0s 2s 3} 0} ` +
		`map[refund.after:30s] map[callback.workers:1] map[loss.total:{== 0 == 0   []}] ` +
		`map[loss.total:{>= 0.1 >= 10%  % []} pay_to_dispense.p99:{> 0 > refund.after refund.after  []}] 1m0s [innodb]` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The longest name and title, and shares that make exactly a whole, are not too much.
func TestLoadTakesWhatIsJustAllowed(t *testing.T) {
	name := strings.Repeat("x", 40)
	src := "name: " + name + "\ntitle: " + strings.Repeat("x", 120) + "\n" + strings.Join(strings.SplitAfter(good, "\n")[2:], "") +
		"machines: {fail: 33.3%, late: 33.3%, late_by: 1s, offline: 33.4%, offline_for: 1s}\n" +
		"buyers: {abandon: 33.3%, late: 33.3%, twice: 33.4%}\n"
	if _, err := Load(name+".yaml", []byte(src), Known{}); err != nil {
		t.Error(err)
	}
}

func TestFindReadsAFileByItsPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Find(path, Known{})
	if err != nil || s.Title != "A small one" {
		t.Errorf("got %v, %v", s, err)
	}
	if err := os.WriteFile(path, []byte(good+"drian: 1s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Find(path, Known{})
	if want := path + ":8:1: drian: no such field; did you mean drain?"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s...", err, want)
	}
}

func TestFindSuggestsTheNearestScenario(t *testing.T) {
	_, err := Find("peak-lnuch", Known{})
	want := `there is no scenario "peak-lnuch"; did you mean peak-lunch? accepted: ` + strings.Join(Names(), ", ")
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, err := Find("./no/such.yaml", Known{}); err == nil || !strings.Contains(err.Error(), "./no/such.yaml") {
		t.Errorf("a missing file: got %v", err)
	}
}

// topLevel lists the blocks of a scenario as an error does.
func topLevel() string {
	return strings.Join(slices.Sorted(slices.Values(names(fileFields(&Scenario{})))), ", ")
}
