package reports

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// runFolder makes a folder with a manifest and, for a judged run, its reports.
func runFolder(t *testing.T, dir, name string, a *Analysis, judged bool) {
	t.Helper()
	folder := filepath.Join(dir, name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal(a.Run)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, runlog.ManifestFile), manifest, 0o644); err != nil {
		t.Fatal(err)
	}
	if judged {
		if err := Write(folder, a); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIndexListsTheNewestRunFirst(t *testing.T) {
	dir := t.TempDir()
	old, bad, running := passedRun(), failedRun(), passedRun()
	bad.Run.StartedAt = old.Run.StartedAt.Add(time.Hour)
	bad.Verdict.Headline = "<b>60 orders</b>"
	running.Run.StartedAt, running.Run.Scenario = old.Run.StartedAt.Add(2*time.Hour), "peak-night"
	runFolder(t, dir, "old", old, true)
	runFolder(t, dir, "b&d #1", bad, true)
	runFolder(t, dir, "running", running, false)
	if err := os.Mkdir(filepath.Join(dir, "not-a-run"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the list itself is no run
		if err := Index(dir); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	text := plainText(string(page))
	first, second, third := strings.Index(text, "no report peak-night"), strings.Index(text, "FAIL callback-serial, as-was"), strings.Index(text, "PASS peak-lunch, hardened")
	if first < 0 || second < first || third < second {
		t.Errorf("the runs are out of order: %s", text)
	}
	for _, want := range []string{`href="./b&amp;d%20%231/report.html"`, "&lt;b&gt;60 orders", "210.00"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("%q is not in the list", want)
		}
	}
	if strings.Contains(text, "not-a-run") || strings.Contains(string(page), `href="./running`) {
		t.Error("a folder without a run, or a report that is not there, is linked")
	}
}

func TestIndexOfAnEmptyFolderSaysSo(t *testing.T) {
	dir := t.TempDir()
	if err := Index(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, IndexFile))
	if err != nil || !strings.Contains(string(page), "No run has been made here yet.") {
		t.Errorf("%v: %s", err, page)
	}
}

func TestIndexOfAMissingFolderIsAnError(t *testing.T) {
	if err := Index(filepath.Join(t.TempDir(), "gone")); err == nil {
		t.Error("no error")
	}
}
