package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"

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
