package scenarios

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A complaint is what is wrong with a value, and what to write instead.
type complaint struct{ what, hint string }

func (c complaint) Error() string {
	if c.hint == "" {
		return c.what
	}
	return c.what + "; " + c.hint
}

func complain(hint, format string, args ...any) error {
	return complaint{what: fmt.Sprintf(format, args...), hint: hint}
}

var (
	decimal  = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	clockish = regexp.MustCompile(`^([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?$`)
	dotted   = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$`)
	timed    = regexp.MustCompile(`^-?` + durationPattern + `$`)
	priced   = regexp.MustCompile(`^` + pricePattern + `$`)
	codes    = regexp.MustCompile(`^` + codePattern + `$`)
	modelled = regexp.MustCompile(`^(==|!=|<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)?)x\s+model$`)
	compared = regexp.MustCompile(`^(==|!=|<=|>=|<|>)\s*(\S+)$`)
)

// parseDuration reads "300ms" or "1m30s": not negative, always with its unit.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case decimal.MatchString(text):
		return 0, complain("did you mean "+text+"s?", "%s has no unit", cut(text))
	case err != nil || !timed.MatchString(text):
		return 0, complain("a duration is like 300ms, 5s, 1m30s", "%s is not a duration", quote(text))
	case d < 0:
		return 0, complain("", "%s is negative", text)
	}
	return d, nil
}

// parseShare reads "2%" as 0.02. The sign is required, so that nobody has to wonder whether 1 is all or a hundredth.
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	if !decimal.MatchString(number) {
		return 0, complain("a share is like 2% or 0.5%", "%s is not a share", quote(text))
	}
	value, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil:
		return 0, complain("a share is like 2% or 0.5%", "%s is not a share", quote(text))
	case !percent && value >= 0 && value <= 1:
		return 0, complain("did you mean "+number64(value*100)+"%?", "%s has no %%", text)
	case !percent:
		return 0, complain("did you mean "+text+"%?", "%s has no %%", text)
	case value < 0:
		return 0, complain("", "%s is negative", text)
	case value > 100:
		return 0, complain("", "%s is more than 100%%", text)
	}
	return value / 100, nil
}

// ParseTimeOfDay reads "11:56" or "11:56:30". The hour may be up to 48, for scenarios that cross midnight.
func ParseTimeOfDay(text string) (TimeOfDay, error) {
	parts := clockish.FindStringSubmatch(text)
	if parts == nil {
		return 0, complain(`a time of day is like "11:56" or "24:30"`, "%s is not a time of day", quote(text))
	}
	var number [3]int
	for i, part := range parts[1:] {
		if part != "" {
			number[i], _ = strconv.Atoi(part) // two digits, by the pattern
		}
	}
	if number[1] > 59 || number[2] > 59 || number[0] > 48 {
		return 0, complain(`a time of day is like "11:56" or "24:30"`, "%s is not a time of day", quote(text))
	}
	return TimeOfDay(time.Duration(number[0])*time.Hour + time.Duration(number[1])*time.Minute +
		time.Duration(number[2])*time.Second), nil
}

// String is "11:56", with seconds when there are any. Past midnight the hours go on: "24:30".
func (t TimeOfDay) String() string {
	d := time.Duration(t).Round(time.Second)
	text := fmt.Sprintf("%02d:%02d", d/time.Hour, d/time.Minute%60)
	if s := d / time.Second % 60; s != 0 {
		text += fmt.Sprintf(":%02d", s)
	}
	return text
}

// ParseDelay reads a distribution of a duration: "300ms" is constant, "100ms..2s" uniform, "lognormal 180ms 0.4" has
// that median and that sigma (of the logarithm, two decimals at most), "quantiles 50%=80ms 99%=2s 100%=6s" is a table.
func ParseDelay(text string) (Delay, error) {
	if words := strings.Fields(text); len(words) > 0 && words[0] == "lognormal" {
		return parseLognormal(text, words[1:])
	}
	if points, ok := strings.CutPrefix(text, "quantiles "); ok {
		return parseQuantiles(text, strings.Fields(points))
	}
	if from, to, ok := strings.Cut(text, ".."); ok {
		a, err := parseDuration(from)
		if err != nil {
			return Delay{}, err
		}
		b, err := parseDuration(to)
		if err != nil {
			return Delay{}, err
		}
		if b < a {
			return Delay{}, complain("did you mean "+to+".."+from+"?", "%s ends before it begins", text)
		}
		return Delay{Kind: "uniform", A: a, B: b}.within(text)
	}
	a, err := parseDuration(text)
	var c complaint
	if errors.As(err, &c) {
		if strings.HasPrefix(c.hint, "a duration") {
			c = complaint{fmt.Sprintf("%s is not a delay", quote(text)), `a delay is like 300ms, 100ms..2s or "lognormal 180ms 0.4"`}
		}
		return Delay{}, c
	}
	if a == 0 {
		return Delay{}, nil
	}
	return Delay{Kind: "constant", A: a}.within(text)
}

func parseLognormal(text string, words []string) (Delay, error) {
	const shape = `it is written "lognormal 180ms 0.4": median, then sigma`
	if len(words) != 2 {
		return Delay{}, complain(shape, "%s is not a delay", quote(text))
	}
	median, err := parseDuration(words[0])
	if err != nil {
		return Delay{}, err
	}
	sigma, err := strconv.ParseFloat(words[1], 64)
	if err != nil || !decimal.MatchString(words[1]) {
		return Delay{}, complain(shape, "sigma %s is not a number", quote(words[1]))
	}
	pct := math.Round(sigma * 100)
	switch {
	case median == 0:
		return Delay{}, complain("", "a lognormal delay needs a median above 0")
	case sigma <= 0 || sigma > 3:
		return Delay{}, complain("", "sigma %s is not between 0 and 3", words[1])
	case math.Abs(sigma*100-pct) > 1e-9 || pct == 0:
		return Delay{}, complain("", "sigma %s has more than two decimals", words[1])
	}
	return Delay{Kind: "lognormal", A: median, SigmaPct: int(pct)}.within(text)
}

func (d Delay) within(text string) (Delay, error) {
	if max(d.A, d.B) > delayMax {
		return Delay{}, complain("", "%s is longer than %s", text, duration(delayMax))
	}
	return d, nil
}

// String is the delay as a file would have it.
func (d Delay) String() string {
	switch d.Kind {
	case "uniform":
		return duration(d.A) + ".." + duration(d.B)
	case "quantiles":
		return "quantiles " + d.Table.String()
	case "lognormal":
		return fmt.Sprintf("lognormal %s %s", duration(d.A), number64(float64(d.SigmaPct)/100))
	}
	return duration(d.A)
}

// ParseCondition reads "== 0", "< 1s", "<= 10%", "> 1.5" or "> refund.after". The last compares with the service's
// refund deadline in that run, which the run folder keeps: Ref is set, and whoever judges looks it up. "> 3x model" compares
// with the drain time of the stability model, which is calculated from the run.
func ParseCondition(text string) (Condition, error) {
	const shape = `a condition is like "== 0", "< 1s", "<= 10%" or "> refund.after"`
	if m := modelled.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		times, err := strconv.ParseFloat(m[2], 64)
		if err != nil || times <= 0 || times > 1000 {
			return Condition{}, complain("it is written > 3x model", "%sx is not between 0 and 1000", m[2])
		}
		return Condition{Op: m[1], Limit: times, Text: m[1] + " " + m[2] + "x model", Ref: "model"}, nil
	}
	parts := compared.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return Condition{}, complain(shape, "%s is not a condition", quote(text))
	}
	c := Condition{Op: parts[1], Text: parts[1] + " " + parts[2]}
	limit := parts[2]
	if number, percent := strings.CutSuffix(limit, "%"); decimal.MatchString(number) {
		value, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return Condition{}, complain(shape, "%s is not a number", quote(number))
		}
		c.Limit = value
		if percent {
			c.Limit, c.Unit = value/100, "%"
		}
		return c, nil
	}
	if d, err := time.ParseDuration(limit); err == nil && timed.MatchString(limit) {
		c.Limit, c.Unit = float64(d), "duration"
		return c, nil
	}
	if limit == "refund.after" {
		c.Ref = limit
		return c, nil
	}
	if limit == "model" {
		return Condition{}, complain("did you mean "+c.Op+" 1x model?", "the model's drain time needs to be said how many times")
	}
	if dotted.MatchString(limit) {
		return Condition{}, complain("accepted: refund.after", "%s is nothing that a run can be compared with", quote(limit))
	}
	return Condition{}, complain(shape, "%s is not a limit", quote(limit))
}

// parsePrices reads "150..650" or "300": whole fen.
func parsePrices(text string) ([2]int64, error) {
	if !priced.MatchString(text) {
		return [2]int64{}, complain("prices are whole fen: 300 or 150..650", "%s is not a price range", quote(text))
	}
	from, to, ranged := strings.Cut(text, "..")
	if !ranged {
		to = from
	}
	var prices [2]int64
	for i, part := range []string{from, to} {
		fen, err := strconv.ParseInt(part, 10, 64)
		switch {
		case err != nil:
			return prices, complain("", "%s is no price", quote(part))
		case fen < 1:
			return prices, complain("", "%s fen is not a price", part)
		case fen > priceMaxFen:
			return prices, complain("", "%s fen is more than %d", part, priceMaxFen)
		}
		prices[i] = fen
	}
	if prices[1] < prices[0] {
		return prices, complain("did you mean "+to+".."+from+"?", "%s ends before it begins", text)
	}
	return prices, nil
}

// duration is d without trailing zero units: "5m", not "5m0s".
func duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// share is 0.02 as "2%".
func share(x float64) string { return number64(x*100) + "%" }

func number64(x float64) string { return strconv.FormatFloat(math.Round(x*1e6)/1e6, 'f', -1, 64) }

// quote shows what was written, in quotes and cut short.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		text = string(runes[:40]) + "..."
	}
	return strconv.Quote(text)
}
