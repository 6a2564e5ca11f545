package reports

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// yuan writes fen as yuan, exactly: 14350 is "143.50". No float is ever near money.
func yuan(fen int64) string {
	sign, whole := "", uint64(fen)
	if fen < 0 {
		sign, whole = "-", -whole
	}
	return fmt.Sprintf("%s%s.%02d", sign, thousands(whole/100), whole%100)
}

// count writes a number of things: "13,000".
func count(n int64) string {
	if n < 0 {
		return "-" + thousands(-uint64(n))
	}
	return thousands(uint64(n))
}

// several counts things by their name: "1 order", "13,000 orders".
func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(int64(n)) + " " + many
}

// kindsOf lists counts by name: "forged 3, signtest 2".
func kindsOf(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, name+" "+count(int64(counts[name])))
	}
	return strings.Join(parts, ", ")
}

func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// span writes a duration of ns nanoseconds with three digits, as "0.21 ms", "34.1 s" or "12 min 05 s"; below zero it is
// unknown, "-".
func span(ns int64) string {
	d := time.Duration(ns)
	switch {
	case ns < 0:
		return "-"
	case ns == 0:
		return "0"
	case d < time.Microsecond:
		return strconv.FormatInt(ns, 10) + " ns"
	case d < 100*time.Microsecond:
		return digits(float64(ns)/1e3) + " µs"
	case d < time.Second-500*time.Microsecond:
		return digits(float64(ns)/1e6) + " ms"
	case d < 100*time.Second:
		return digits(float64(ns)/1e9) + " s"
	default:
		s := int64(d.Round(time.Second) / time.Second)
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	}
}

// digits writes v >= 0 with three significant digits, never in exponents.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return thousands(uint64(math.Round(v)))
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// seconds writes a moment of the run: "34.1 s".
func seconds(ns int64) string {
	return strconv.FormatFloat(float64(ns)/1e9, 'f', 1, 64) + " s"
}

// A wallClock turns moments of a run into times of the scenario's day. The day runs at the run's speed while the plan is
// played and stands still afterwards: the drain is real time. At speed 1 both are the same, and the day goes on.
type wallClock struct {
	from  time.Duration // time of day when the play begins
	speed float64
	run   *runlog.Manifest // whose pauses the day stands still in
	play  int64            // length of the plan, ns
	known bool
}

func clockOf(m *runlog.Manifest) wallClock {
	c := wallClock{speed: m.Speed, run: m, play: m.PlayForNS}
	var hour, minute int
	if _, err := fmt.Sscanf(m.ClockFrom, "%d:%d", &hour, &minute); err == nil && m.Speed > 0 && m.PlayForNS > 0 {
		c.from = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
		c.known = true
	}
	return c
}

// at is the time of day at a moment of the run, "11:21:07"; in the drain of a faster day "13:00:00 +12s"; "" before the
// play.
func (c wallClock) at(ns int64) string {
	if !c.known || ns < c.run.PlayFromNS {
		return ""
	}
	played := c.run.PlanAt(ns)
	if played <= c.play || c.speed == 1 {
		return timeOfDay(c.day(ns), true)
	}
	return fmt.Sprintf("%s +%ds", timeOfDay(c.from+time.Duration(float64(c.play)*c.speed), true), (played-c.play)/1e9)
}

// day is the time since midnight at a moment of the play.
func (c wallClock) day(ns int64) time.Duration {
	return c.from + time.Duration(float64(c.run.PlanAt(ns))*c.speed)
}

// moment is the reverse of day.
func (c wallClock) moment(day time.Duration) int64 {
	return c.run.Moment(int64(float64(day-c.from) / c.speed))
}

func timeOfDay(d time.Duration, withSeconds bool) string {
	s := int64(d.Round(time.Second) / time.Second)
	if withSeconds {
		return fmt.Sprintf("%02d:%02d:%02d", s/3600%24, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/3600%24, s/60%60)
}

// shellLine quotes args so that a shell reads them back as they were.
func shellLine(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = arg
		plain := func(r rune) bool {
			return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=./:,@%+", r)
		}
		if arg == "" || strings.ContainsFunc(arg, func(r rune) bool { return !plain(r) }) {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// repeatLine is the command that plays the same plan again.
func repeatLine(m *runlog.Manifest) string {
	args := []string{"lunchrush", "run", m.Scenario, "--seed", strconv.FormatUint(m.Seed, 10)}
	if !m.Labelled {
		args = append(args, "--profile", m.Profile)
	}
	if m.Speed > 0 {
		args = append(args, "--speed", strconv.FormatFloat(m.Speed, 'f', -1, 64))
	}
	if m.Machines > 0 {
		args = append(args, "--machines", strconv.Itoa(m.Machines))
	}
	if m.Testbed != "" {
		args = append(args, "--testbed", m.Testbed)
	}
	return shellLine(args)
}
