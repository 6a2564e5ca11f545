package reports

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestDump(t *testing.T) {
	dir := os.Getenv("DUMP")
	if dir == "" {
		t.Skip()
	}
	for name, a := range map[string]*Analysis{"passed": passedRun(), "failed": failedRun(), "doubtful": doubtfulRun(), "killed": killedRun(), "halfhour": halfHourRun()} {
		var b bytes.Buffer
		if err := HTML(&b, a); err != nil {
			t.Fatal(err)
		}
		t.Log(name, b.Len())
		os.WriteFile(filepath.Join(dir, name+".html"), b.Bytes(), 0o644)
	}
}
