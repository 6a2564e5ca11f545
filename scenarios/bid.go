package scenarios

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Sale is a bid that many buyers want at once: a loan on a lending platform that is sold in seconds. The zero value is none.
// A unit is a yuan.
type Sale struct {
	Units   int
	Buyers  int
	At      TimeOfDay     // when the first of them comes
	Over    time.Duration // in how long they all come
	Amounts AmountList
	Decline float64 // share whose purchase fails after the units were taken
	Risk    Delay   // the risk check's answer
	Timeout time.Duration
	Scale   string // by what the account's figures were divided, which the report says
}

// Note says what a reader of a report must know of the bid, "" when there is nothing.
func (b *Sale) Note() string {
	if b.Scale == "" {
		return ""
	}
	return "the bid's sale is smaller than the account's: " + b.Scale
}

// An AmountList says which amounts buyers ask for.
type AmountList []AmountShare

// An AmountShare is an amount in units, and the share of buyers that asks for it.
type AmountShare struct {
	Units int
	Share float64
}

// String writes the list as a file does: "1000 85%, 3000 15%".
func (l AmountList) String() string {
	parts := make([]string, len(l))
	for i, a := range l {
		parts[i] = strconv.Itoa(a.Units) + " " + share(a.Share)
	}
	return strings.Join(parts, ", ")
}

const (
	saleUnitsMax  = 1_000_000_000
	saleBuyersMax = 50_000
	amountWants   = `amounts with the shares of buyers who ask for them, such as "1000 85%, 3000 15%"`
	amountPattern = `[0-9]+ ` + sharePattern + `(, [0-9]+ ` + sharePattern + `)*`
)

// ParseAmounts reads "1000 85%, 3000 15%".
func ParseAmounts(text string) (AmountList, error) {
	var list AmountList
	sum := 0.0
	for part := range strings.SplitSeq(text, ",") {
		units, rest, _ := strings.Cut(strings.TrimSpace(part), " ")
		n, err := strconv.Atoi(units)
		if err != nil || n < 1 || n > saleUnitsMax {
			return nil, complain("wants "+amountWants, "%s is not a number of units", quote(units))
		}
		s, err := parseShare(rest)
		if err != nil {
			return nil, err
		}
		sum += s
		list = append(list, AmountShare{n, s})
	}
	if math.Abs(sum-1) > 1e-9 {
		return nil, complain("", "the shares make %s, not 100%%", share(sum))
	}
	return list, nil
}

func saleFields(b *Sale) []field {
	amounts := scalarOf(&b.Amounts, amountWants, pattern(amountPattern), ParseAmounts, AmountList.String)
	return []field{
		{"units", true, "How many units there are to sell. A unit is a yuan.", numberOf(&b.Units, 1, saleUnitsMax)},
		{"buyers", true, "How many buyers come. Each asks once.", numberOf(&b.Buyers, 1, saleBuyersMax)},
		{"at", true, "When the first of them comes.", timeOfDay(&b.At)},
		{"over", true, "In how long they all come, evenly, in real time.", period(&b.Over, time.Second, time.Hour)},
		{"amounts", true, "How many units they ask for.", amounts},
		{"decline", false, "Share of buyers whose purchase fails: a frozen account, no money, a risk, each as often as the others.", fraction(&b.Decline)},
		{"risk", false, "How long the risk check of a buyer takes.", delay(&b.Risk)},
		{"timeout", false, "How long a buyer waits for the answer.", period(&b.Timeout, 100*time.Millisecond, time.Minute)},
		{"scale", false, "By what the account's figures were divided, which the report says.", line(&b.Scale, 120)},
	}
}

func (s *Scenario) checkSale(add adder) {
	b := s.Sale
	if b.Units == 0 {
		return
	}
	if at := b.At; at < s.Clock.From || s.At(at)+b.Over > s.Length() {
		add("bid.at", "all buyers must come within the clock", "from %s on %s are more than the clock has", at, duration(b.Over))
	}
	if rate := float64(b.Buyers) / b.Over.Seconds(); rate > rateMax {
		add("bid", "", "comes to %.0f buyers a second, more than %.0f", rate, rateMax)
	}
}
