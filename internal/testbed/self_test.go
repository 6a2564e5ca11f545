package testbed_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// replaced is a program that finds itself after another has been built in its place, as go build does it.
func replaced() error {
	path, err := testbed.Self()
	if err != nil {
		return err
	}
	own, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(path+".new", []byte("another program"), 0o755), os.Rename(path+".new", path)); err != nil {
		return err
	}
	self, err := testbed.Self()
	if err != nil {
		return err
	}
	if program, err := os.ReadFile(self); err != nil || !bytes.Equal(program, own) {
		return fmt.Errorf("%s is another program than the one that runs (%w)", self, err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), harnessVariable+"=")
	return cmd.Run()
}

func TestARunGoesOnWithTheProgramThatItBeganWith(t *testing.T) {
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("no Linux: a program has only its path")
	}
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
