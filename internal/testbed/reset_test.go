package testbed

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// A database that a fault has left stopped takes connections and never answers.
func TestAResetOfADatabaseThatStandsStillEndsWithTheReason(t *testing.T) {
	if _, err := findPrograms(); err != nil {
		if strings.Contains(os.Getenv("LUNCHRUSH_REQUIRE"), "mariadb") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	before := resetLimit
	resetLimit = time.Second
	t.Cleanup(func() { resetLimit = before })
	stack, err := Start(t.Context(), Choice{Name: Local}, Spec{RunID: "reset-test", LogDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	db := stack.Part(PartMySQL).(Pauser)
	if err := db.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	patient, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const want = "not done within 1s, something does not answer: mysql: ending sessions: context deadline exceeded"
	if err := stack.Reset(patient); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := db.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	resetLimit = before
	if err := stack.Reset(patient); err != nil {
		t.Errorf("now that it goes on again: %v", err)
	}
}
