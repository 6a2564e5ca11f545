package harness

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lo is the kernel's flag of a mapping that is locked.
func TestTheProgramStaysInMemoryOnceARunWasPlayed(t *testing.T) {
	_, back := (&precedence{}).take()
	back()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	ofProgram, flags := regexp.MustCompile(` `+regexp.QuoteMeta(program)+`\n`), regexp.MustCompile(`VmFlags: (.*)`)
	found := 0
	if err := lockProgram(); err != nil { // once more, for the reason
		if slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), "realtime") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, mapping := range regexp.MustCompile(`(?m)^[0-9a-f]+-[0-9a-f]+ `).Split(string(maps), -1) {
		if !ofProgram.MatchString(mapping) {
			continue
		}
		found++
		if got := flags.FindStringSubmatch(mapping); len(got) < 2 || !slices.Contains(strings.Fields(got[1]), "lo") {
			t.Errorf("not locked:\n%s", mapping)
		}
	}
	if found < 2 {
		t.Errorf("%d mappings of %s", found, program)
	}
}
