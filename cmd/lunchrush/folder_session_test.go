package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
)

// othersRead reads the folder of a run as other programs do: report.json by its schema, results.bin by vegeta itself; and
// metrics.csv must know what the reference service tells.
func othersRead(t *testing.T, dir string) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(reports.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("report.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(report); err != nil {
		t.Error(err)
	}

	folder, err := runlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := folder.Samples()
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, r := range rows {
		if r.Backlog >= 0 && r.Goroutines > 0 && r.DBInUse >= 0 && r.ServiceCPU >= 0 && r.ServiceRSS > 0 {
			known++
		}
	}
	if known == 0 {
		t.Errorf("none of %d rows of metrics.csv knows all of the service", len(rows))
	}

	sent := 0
	for _, n := range folder.Manifest.Sent {
		sent += n
	}
	vegeta, err := builtVegeta()
	if err != nil {
		t.Logf("results.bin is not read by vegeta: %v", err)
		return
	}
	results, err := os.Open(filepath.Join(dir, "results.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer results.Close()
	cmd := exec.Command(vegeta, "report", "-type=json")
	cmd.Stdin = results
	out, err := cmd.CombinedOutput()
	if want := `"requests":` + strconv.Itoa(sent) + ","; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("vegeta report: %v; want %s of\n%s", err, want, out)
	}
}

// builtVegeta is vegeta's own command, from the source of the module that this one is made with.
var builtVegeta = sync.OnceValues(func() (string, error) {
	source, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tsenart/vegeta/v12").Output()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(binaryDir, "vegeta")
	build := exec.Command("go", "build", "-C", strings.TrimSpace(string(source)), "-o", bin, ".")
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	return bin, build.Run()
})
