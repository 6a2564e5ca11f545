package scenarios

import (
	"strings"
	"time"
)

// quantilesMax bounds a table of quantiles.
const quantilesMax = 8

// A QuantileList is a distribution as it was measured: so large a part of all takes at most so long. Between two quantiles
// the distribution is even; below the first it begins at 0. Parts rise to a million; unused entries at the end are zero.
type QuantileList [quantilesMax]Quantile

// A Quantile is one line of the table: of a million, Part take at most At.
type Quantile struct {
	Part int
	At   time.Duration
}

// Used are the entries that there are.
func (q *QuantileList) Used() []Quantile {
	n := 0
	for n < len(q) && q[n].Part > 0 {
		n++
	}
	return q[:n]
}

// String is the table as a file would have it: "50%=80ms 99%=2s 100%=6s".
func (q QuantileList) String() string {
	var words []string
	for _, p := range q.Used() {
		words = append(words, share(float64(p.Part)/1e6)+"="+duration(p.At))
	}
	return strings.Join(words, " ")
}

func parseQuantiles(text string, words []string) (Delay, error) {
	const shape = `it is written "quantiles 50%=80ms 90%=200ms 99%=2s 100%=6s"`
	if len(words) == 0 || len(words) > quantilesMax {
		return Delay{}, complain(shape, "%s has %d quantiles, wants 1 to %d", quote(text), len(words), quantilesMax)
	}
	d := Delay{Kind: "quantiles"}
	for i, word := range words {
		part, at, ok := strings.Cut(word, "=")
		if !ok {
			return Delay{}, complain(shape, "%s is not a quantile", quote(word))
		}
		x, err := parseShare(part)
		if err != nil {
			return Delay{}, err
		}
		p := Quantile{Part: int(x*1e6 + 0.5)}
		if p.At, err = parseDuration(at); err != nil {
			return Delay{}, err
		}
		switch {
		case p.Part == 0:
			return Delay{}, complain("", "%s: the first quantile is above 0%%", word)
		case i > 0 && (p.Part <= d.Table[i-1].Part || p.At < d.Table[i-1].At):
			return Delay{}, complain("", "%s comes after %s: quantiles rise", word, words[i-1])
		}
		d.Table[i] = p
		d.B = p.At
	}
	if d.Table[len(words)-1].Part != 1_000_000 {
		return Delay{}, complain("say what the slowest takes", "%s does not end with 100%%", quote(text))
	}
	return d.within(text)
}
