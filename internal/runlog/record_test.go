package runlog_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The encoder by hand and encoding/json write records that read the same, by either decoder.
func TestARecordReadsTheSameHoweverItIsWritten(t *testing.T) {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`[a-z0-9.-]{1,20}`), rapid.SampledFrom([]string{`"`, `\`, "<&>", "金额", "a\nb", "\u2028", "\x7f"}))
	number := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, -1, 10}))
	rapid.Check(t, func(t *rapid.T) {
		r := runlog.Record{
			At: number.Draw(t, "at"), Event: runlog.Event(text.Draw(t, "event")), Key: text.Draw(t, "key"), Order: text.Draw(t, "order"),
			Machine: text.Draw(t, "machine"), Slot: int(number.Draw(t, "slot")), Channel: text.Draw(t, "channel"), Fen: number.Draw(t, "fen"),
			Paid: number.Draw(t, "paid"), ID: text.Draw(t, "id"), Txn: text.Draw(t, "txn"), N: int(number.Draw(t, "n")),
			Status: int(number.Draw(t, "status")), OK: rapid.Bool().Draw(t, "ok"), Due: number.Draw(t, "due"), Took: number.Draw(t, "took"),
			CreatedMS: number.Draw(t, "created"), PaidMS: number.Draw(t, "paidms"), DoneMS: number.Draw(t, "done"), Note: text.Draw(t, "note"),
			TakenSeq: number.Draw(t, "taken"), ReturnedSeq: number.Draw(t, "returned"),
		}
		line := string(runlog.AppendRecord(nil, &r))
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Fatalf("not one line: %q", line)
		}
		line = strings.TrimSuffix(line, "\n")
		ours, err := runlog.ParseRecord(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var theirs runlog.Record
		if err := json.Unmarshal([]byte(line), &theirs); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if ours != r || theirs != r {
			t.Fatalf("wrote %+v\nline %s\nours %+v\ntheirs %+v", r, line, ours, theirs)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{
		`{"t":1,"e":"channel.paid","o":"a","f":350}`, `{"t":-0,"e":"","ok":true}`, `{"t":01,"e":"x"}`, `{"t":1,"e":"x","ok":false}`,
		`{"T":1}`, `{"t":1,"t":2}`, `{"t":9223372036854775807,"e":"é"}`, `{"t":9223372036854775808}`, `{"t":1.0}`, `{"t":1e3}`, `{}`, `{"t":1,}`,
		`{"t":1 ,"e":"x"}`, `{"z":"x","t":1}`, `{"t":1,"w":"a\u0041"}`, `{"e":null}`, `{"t":1}}`, `{"t":1,"e":"x"`, `{"n":-5,"st":200}`, "{\"w\":\"\x80\"}", `{"t":-}`, `{"":1}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours, err := runlog.ParseRecord(s)
		var theirs runlog.Record
		theirErr := json.Unmarshal([]byte(s), &theirs)
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%q: ours %v, theirs %v", s, err, theirErr)
		}
		if err == nil && ours != theirs {
			t.Fatalf("%q:\nours   %+v\ntheirs %+v", s, ours, theirs)
		}
		if err != nil || !utf8.ValidString(s) {
			return
		}
		again, err := runlog.ParseRecord(strings.TrimSuffix(string(runlog.AppendRecord(nil, &ours)), "\n"))
		if err != nil || again != ours {
			t.Fatalf("%q: written and read again: %+v, %v", s, again, err)
		}
	})
}

func BenchmarkParseRecord(b *testing.B) {
	r := runlog.Record{
		At: 123456789012, Event: runlog.NotifyAnswer, Order: "20261120000001", Channel: "wechat", ID: "n000001",
		Txn: "4200000001", N: 1, Status: 200, OK: true, Took: 1234567,
	}
	line := strings.TrimSuffix(string(runlog.AppendRecord(nil, &r)), "\n")
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := runlog.ParseRecord(line); err != nil {
			b.Fatal(err)
		}
	}
}
