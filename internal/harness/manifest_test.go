package harness

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestRunsOfOneSecondHaveAFolderEach(t *testing.T) {
	runs := filepath.Join(t.TempDir(), "runs")
	at := time.Date(2026, 11, 20, 11, 56, 0, 0, time.UTC)
	const n = 30
	dirs := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			m := &runlog.Manifest{StartedAt: at, Scenario: "short", Profile: Hardened}
			dir, err := newRunDir(runs, m)
			if err != nil {
				t.Error(err)
			} else if filepath.Base(dir) != m.ID {
				t.Errorf("the run in %s calls itself %s", dir, m.ID)
			}
			dirs[i] = dir
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, dir := range dirs {
		if seen[dir] {
			t.Errorf("%s was given out twice", dir)
		}
		seen[dir] = true
	}
}
