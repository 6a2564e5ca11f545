package chaos

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// params are a fault's parameters as written, every accepted one filled in.
type params map[string]string

// duration reads "200ms", between low and high.
func (p params) duration(name string, low, high time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(p[name])
	if err != nil {
		return 0, mistake(name, "%q is no duration like 200ms", p[name])
	}
	if d < low || d > high {
		return 0, mistake(name, "%s is not between %s and %s", p[name], low, high)
	}
	return d, nil
}

// number reads a whole number between low and high.
func (p params) number(name string, low, high int) (int, error) {
	n, err := strconv.Atoi(p[name])
	if err != nil {
		return 0, mistake(name, "%q is no whole number", p[name])
	}
	if n < low || n > high {
		return 0, mistake(name, "%d is not between %d and %d", n, low, high)
	}
	return n, nil
}

// decimal reads a figure like "0.25", between low and high.
func (p params) decimal(name string, low, high float64) (float64, error) {
	x, err := strconv.ParseFloat(p[name], 64)
	if err != nil {
		return 0, mistake(name, "%q is no figure like 0.25", p[name])
	}
	if !(x >= low && x <= high) {
		return 0, mistake(name, "%s is not between %v and %v", p[name], low, high)
	}
	return x, nil
}

// oneOf reads a word out of a fixed set.
func (p params) oneOf(name string, accepted ...string) (string, error) {
	if !slices.Contains(accepted, p[name]) {
		return "", mistake(name, "no such value: %q; accepted: %s", p[name], strings.Join(accepted, ", "))
	}
	return p[name], nil
}

// share reads "30%", from 1% to 100%: less could not be measured in a moment.
func (p params) share(name string) (float64, error) {
	figure, ok := strings.CutSuffix(p[name], "%")
	x, err := strconv.ParseFloat(figure, 64)
	if !ok || err != nil {
		return 0, mistake(name, "%q is no share like 30%%", p[name])
	}
	if !(x >= 1 && x <= 100) {
		return 0, mistake(name, "%s is not between 1%% and 100%%", p[name])
	}
	return x / 100, nil
}

// percent writes a share as params.share reads it.
func percent(share float64) string { return strconv.FormatFloat(share*100, 'f', -1, 64) + "%" }

var errorCodes = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,39}$`)

// failure reads the status and the code of an error answer.
func (p params) failure() (status int, code string, err error) {
	if status, err = p.number("status", 400, 599); err != nil {
		return 0, "", err
	}
	if !errorCodes.MatchString(p["code"]) {
		return 0, "", mistake("code", "%q is no code like A004", p["code"])
	}
	return status, p["code"], nil
}

var sizes = regexp.MustCompile(`^([0-9]{1,9})(B|kB|MB)$`)

// bytes reads "64kB", between low and high; a kB is 1000 bytes, as on a wire.
func (p params) bytes(name, unit string, low, high int64) (int64, error) {
	words := sizes.FindStringSubmatch(strings.TrimSuffix(p[name], unit))
	if words == nil || !strings.HasSuffix(p[name], unit) {
		return 0, mistake(name, "%q is no figure like 64kB%s", p[name], unit)
	}
	n, _ := strconv.ParseInt(words[1], 10, 64) // nine digits, by the pattern
	n *= map[string]int64{"B": 1, "kB": 1000, "MB": 1000_000}[words[2]]
	if n < low || n > high {
		return 0, mistake(name, "%s is not between %s%s and %s%s", p[name], size(low), unit, size(high), unit)
	}
	return n, nil
}

// size writes bytes as params.bytes reads them.
func size(n int64) string {
	switch {
	case n >= 1000_000 && n%1000_000 == 0:
		return strconv.FormatInt(n/1000_000, 10) + "MB"
	case n >= 1000 && n%1000 == 0:
		return strconv.FormatInt(n/1000, 10) + "kB"
	}
	return strconv.FormatInt(n, 10) + "B"
}

var identifier = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// table reads the name of a table. It stands in statements as it is, so it can be nothing but a name.
func (p params) table(name string) (string, error) {
	if !identifier.MatchString(p[name]) {
		return "", mistake(name, "%q is no name of a table", p[name])
	}
	return p[name], nil
}
