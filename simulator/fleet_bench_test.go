package simulator

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// idleServer makes this test binary the smallest service that a fleet can poll; see BenchmarkIdleFleet.
const idleServer = "LUNCHRUSH_TEST_IDLE_SERVER"

// TestIdleServer serves the benchmark's other process until its standard input ends.
func TestIdleServer(t *testing.T) {
	if os.Getenv(idleServer) == "" {
		t.Skip("it is the other process of BenchmarkIdleFleet")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait, err := time.ParseDuration(r.FormValue("wait"))
		if err != nil { // a heartbeat
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		over := time.NewTimer(wait)
		defer over.Stop()
		select {
		case <-over.C:
			w.WriteHeader(http.StatusNoContent)
		case <-r.Context().Done():
		}
	}))
	fmt.Printf("at http://%s\n", ln.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// BenchmarkIdleFleet holds the long polls of 10,000 idle machines for a minute and reports what they cost on this side.
func BenchmarkIdleFleet(b *testing.B) {
	const machines = 10_000
	if runtime.GOOS != "linux" {
		b.Skip("resident memory is read from /proc")
	}
	server := exec.Command(os.Args[0], "-test.run=^TestIdleServer$")
	server.Env = append(os.Environ(), idleServer+"=1")
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		_ = server.Wait()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(line, "at "))

	for b.Loop() {
		sc := &scenarios.Scenario{Fleet: scenarios.Fleet{Stock: 20, PriceFen: [2]int64{200, 600}, Poll: 25 * time.Second, Beat: time.Minute}}
		r := newRig(&testing.T{}, &Plan{Header: PlanHeader{Seed: 1, Machines: machines, Slots: 40}}, sc)
		f := makeFleet(r.stage)
		client := &http.Client{}
		r.push = func(s Send) error {
			time.AfterFunc(s.Due-r.now(), func() {
				resp, err := client.Post(s.URL, "application/json", strings.NewReader(string(s.Body)))
				a := Answer{}
				if err == nil {
					a.Status = resp.StatusCode
					resp.Body.Close()
				}
				s.Done(a)
			})
			return nil
		}
		cpu, _ := ownUsage()
		f.begin(context.Background(), url, url)
		time.Sleep(10 * time.Second)
		here := 0
		for _, m := range f.machines {
			m.line.Lock()
			if m.conn != nil {
				here++
			}
			m.line.Unlock()
		}
		if here != machines {
			b.Fatalf("%d machines have a line after 10 s", here)
		}
		arrived, _ := ownUsage()
		const stretch = time.Minute
		time.Sleep(stretch)
		idle, _ := ownUsage()
		b.ReportMetric((arrived - cpu).Seconds(), "arrival-cpu-s")
		b.ReportMetric(100*float64(idle-arrived)/float64(stretch), "%idle-cpu")
		b.ReportMetric(float64(residentKiB(b, os.Getpid()))/1024, "MiB-here")
		b.ReportMetric(float64(residentKiB(b, server.Process.Pid))/1024, "MiB-server")
		from := time.Now()
		f.stop()
		b.ReportMetric(time.Since(from).Seconds(), "stop-s")
	}
}

func residentKiB(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			return kib
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
