package reports

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A run is judged by one process and its verdict used by another: nothing may be lost on the way through report.json.
func TestAnAnalysisIsReadAsItWasWritten(t *testing.T) {
	for name, a := range map[string]*Analysis{"passed": passedRun(), "failed": failedRun(), "of books": wholeRun(t).analyse()} {
		dir := t.TempDir()
		log, err := runlog.Create(dir, &a.Run)
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if err := Write(dir, a); err != nil {
			t.Fatal(err)
		}
		got, err := ReadJudged(dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(a, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs(), cmpopts.IgnoreFields(runlog.Manifest{}, "ServiceCfg")); d != "" {
			t.Errorf("%s (-written +read):\n%s", name, d)
		}
	}
}
