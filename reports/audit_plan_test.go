package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// writePlan writes plan.jsonl.zst and gives its hash.
func writePlan(t *testing.T, w *runlog.Writer, lines string) string {
	t.Helper()
	f, err := w.File(runlog.PlanFile)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(enc, lines); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(lines))
	return hex.EncodeToString(sum[:])
}

func FuzzPlanLine(f *testing.F) {
	for _, s := range []string{
		`{"key":"o1","due_ns":5,"machine":"m1","slot":1,"channel":"wechat","buyer":"pays","think_ns":1,"notify_ns":1,"again_ns":-1,"device":"dispenses","takes_ns":1}`,
		`{"due_ns":5,"channel":"wechat","kind":"forged"}`, `{"key":"a\"b","due_ns":5,"buyer":"x","device":"y"}`, `{}`, `null`, `{"key":"","due_ns":-5,"buyer":"","device":""}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want planLine
		if json.Unmarshal([]byte(s), &want) != nil {
			return // the plan's hash tells of damage; this only must not panic
		}
		// Twice the same name, and names inside other values, are not what the plan's writer makes.
		for _, name := range []string{`"key"`, `"due_ns"`, `"buyer"`, `"device"`} {
			if strings.Count(strings.ToLower(s), name) > 1 {
				return
			}
		}
		if strings.Count(s, "{") > 1 || !utf8.ValidString(s) {
			return
		}
		if got, err := parsePlanLine([]byte(s)); err != nil || got != want {
			t.Fatalf("%q is %+v, %v; want %+v", s, got, err, want)
		}
	})
}
