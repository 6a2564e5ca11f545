package harness

import (
	"os"
	"os/exec"
	"runtime/debug"
	"testing"
)

// What is set is set for the whole process, so a child looks.
func TestGarbageIsCollectedSeldomUnlessSomebodySaysHowOften(t *testing.T) {
	const asked = "LUNCHRUSH_TEST_PERCENT"
	if os.Getenv(asked) != "" {
		collectSeldom()
		want := map[string]int{"": garbagePercent, "150": 150}[os.Getenv("GOGC")]
		if got := debug.SetGCPercent(100); got != want {
			t.Errorf("%d percent, want %d", got, want)
		}
		return
	}
	for _, gogc := range []string{"", "150"} {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), asked+"=1", "GOGC="+gogc)
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("GOGC=%q: %v\n%s", gogc, err, out)
		}
	}
}
