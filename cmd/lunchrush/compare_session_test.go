package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Sessions on recorded runs, which lie in reports/runs of each session: four of lunch-brief as-was, four hardened, one that was
// inconclusive and one that was interrupted.
func TestSessionsOnRecordedRuns(t *testing.T) {
	source, err := filepath.Abs(filepath.Join("..", "..", "reports", "testdata", "runs"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "recorded"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			return os.CopyFS(filepath.Join(env.WorkDir, "reports", "runs"), os.DirFS(source))
		},
	})
}
