package reports

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// looks adds n looks of which the first few are answered at another price, with an error, and not at all.
func (b *books) looks(n, wrong, failed, silent int) {
	b.manifest.Planned["browse"], b.manifest.Sent["browse"] = n, n
	for i := range n {
		at := (20 + int64(i)) * second / 10
		b.add(runlog.Record{At: at, Event: runlog.CallIntent, Key: "browse", Channel: "browse", ID: "m00001/1"})
		r := runlog.Record{At: at + 1, Event: runlog.CallAnswer, Key: "browse", Channel: "browse", Status: 200, OK: true, Took: 1}
		switch {
		case i < wrong:
			r.OK, r.Note = false, "wrong price"
		case i < wrong+failed:
			r.OK, r.Status, r.Note = false, 503, "OVERLOADED"
		case i < wrong+failed+silent:
			r.OK, r.Status, r.Note = false, 0, "dial tcp 127.0.0.1:4711"
		}
		b.add(r)
		b.sends["browse.response"] = append(b.sends["browse.response"], time.Duration(i+1)*time.Millisecond)
	}
}

func TestLooksAreAccountedFor(t *testing.T) {
	b := wholeRun(t)
	b.looks(400, 3, 20, 17)
	b.tell("11 paid o1 350\n12 drops o1\n13 says o1 DISPENSED 350 to1")
	b.end()
	a := b.analyse()
	if len(a.Calls) != 1 || a.Calls[0].Asked != 400 || a.Calls[0].Good != 360 || a.Calls[0].Wrong != 23 || a.Calls[0].Silent != 17 {
		t.Fatalf("the looks are %+v", a.Calls)
	}
	m := byName(a.Measures)
	if got := m["browse.wrong_price"]; !got.Known || got.Value != 3 || got.Samples != 383 {
		t.Errorf("browse.wrong_price is %+v, want 3 of 383 that were answered", got)
	}
	if got := m["browse.errors"]; !got.Known || got.Value != 0.1 {
		t.Errorf("browse.errors is %+v, want 40 of 400", got)
	}
	if got := m["browse.p99"]; !got.Known || got.Samples != 400 {
		t.Errorf("browse.p99 is %+v", got)
	}
	var text bytes.Buffer
	if err := WriteText(&text, a, false); err != nil {
		t.Fatal(err)
	}
	if want := "400 browse: 360 answered as they should be, 23 otherwise, 17 not at all (20 OVERLOADED, 3 wrong price)"; !strings.Contains(text.String(), want) {
		t.Errorf("the text does not say %q:\n%s", want, text.String())
	}
	validate(t, a)
}

func TestARunWithoutLooksDoesNotSpeakOfThem(t *testing.T) {
	b := wholeRun(t)
	b.manifest.Expect = map[string]string{"browse.p99": "< 1s"}
	b.end()
	a := b.analyse()
	for _, m := range a.Measures {
		if strings.HasPrefix(m.Name, "browse") {
			t.Errorf("the run has the measure %s", m.Name)
		}
	}
	if len(a.Calls) != 0 || a.Expect[0].Status != unknown || a.Expect[0].Note != "no samples" {
		t.Errorf("calls %v, the expectation is %+v: without samples nothing passes", a.Calls, a.Expect[0])
	}
}

func TestLooksThatWereNotSentSpoilTheCertificate(t *testing.T) {
	b := wholeRun(t)
	b.looks(400, 0, 0, 0)
	b.manifest.Planned["browse"] = 500 // a hundred never fell due: the harness stopped before
	b.end()
	a := b.analyse()
	for _, c := range a.Certificate {
		if c.Name == "browse sends: sent of offered" {
			if c.Status != failed {
				t.Errorf("the check is %+v", c)
			}
			return
		}
	}
	t.Error("the certificate says nothing of the looks")
}
