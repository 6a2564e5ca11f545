package testbed_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestARunGoesOnWithTheProgramThatItBeganWith(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "harness")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(path)
	child.Env = append(os.Environ(), harnessVariable+"=replaced")
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
