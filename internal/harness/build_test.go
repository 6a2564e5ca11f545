package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// buildStatic builds lunchrush as it runs in a container.
func buildStatic(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "lunchrush")
	build := exec.Command("go", "build", "-o", binary, "github.com/lunchrush/lunchrush/cmd/lunchrush")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
