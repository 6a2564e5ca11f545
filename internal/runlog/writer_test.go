package runlog_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The crash test needs a process to kill: this test binary, started again with these in the environment.
const (
	crashEnv = "LUNCHRUSH_TEST_CRASH_FOLDER"
	eachEnv  = "LUNCHRUSH_TEST_CRASH_EACH" // records in 10 ms
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		bookUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// bookUntilKilled books and prints, every 10 ms, how many records it had booked by then.
func bookUntilKilled(dir string) {
	w, err := runlog.Create(dir, &runlog.Manifest{ID: "crash"})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	each, _ := strconv.Atoi(os.Getenv(eachEnv))
	tick := time.NewTicker(10 * time.Millisecond)
	for n := 0; ; {
		for range each {
			n++
			w.Book(runlog.Record{At: int64(n), Event: runlog.ChannelPaid, Order: "o" + strconv.Itoa(n), Fen: 350})
		}
		fmt.Println(n)
		<-tick.C
	}
}

func TestAKilledWriterLosesAtMostTheLastSecond(t *testing.T) {
	for name, each := range map[string]int{
		"of a busy run":                         200,
		"of a run that never fills its buffers": 1,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killedWriter(t, each)
		})
	}
}

func killedWriter(t *testing.T, each int) {
	dir := filepath.Join(t.TempDir(), "run")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashEnv+"="+dir, eachEnv+"="+strconv.Itoa(each))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	type mark struct {
		at time.Time
		n  int
	}
	const lost = 4 * time.Second // one flush period, and three for a machine that is busy with other things
	var marks []mark
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(lines.Text())
		}
		marks = append(marks, mark{time.Now(), n})
		if time.Since(marks[0].at) > lost+time.Second {
			break
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	_ = child.Wait() // says "signal: killed"

	must := 0
	for _, m := range marks {
		if killed.Sub(m.at) > lost {
			must = m.n
		}
	}
	f, err := runlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for r, err := range f.Records() {
		if err != nil {
			t.Fatal(err)
		}
		got++
		if r.At != int64(got) {
			t.Fatalf("record %d says %d: one is missing", got, r.At)
		}
	}
	if must == 0 || got < must {
		t.Errorf("read %d records, %d were booked %v before the end", got, must, lost)
	}
	if !f.Truncated() {
		t.Error("the books say that they were closed")
	}
}

func TestWhatIsBookedIsReadInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "a")
	m := &runlog.Manifest{ID: "a", Expect: map[string]string{"loss.total": "== 0"}}
	w, err := runlog.Create(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	const workers, each = 8, 20_000
	var wg sync.WaitGroup
	for g := range workers {
		wg.Go(func() {
			for i := range each {
				w.Book(runlog.Record{At: int64(i), Event: runlog.BuyerIntent, Key: strconv.Itoa(g), N: i + 1})
			}
		})
	}
	wg.Wait()
	want := []runlog.Sample{{AtNS: 1e9, Phase: "play", Backlog: -1, CreateP99MS: 1.5}, {AtNS: 2e9, Phase: "drain", Open: 3}}
	for _, s := range want {
		if err := w.Sample(s); err != nil {
			t.Fatal(err)
		}
	}
	m.Ended = "whole"
	if err := w.SaveManifest(m); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	f, err := runlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if f.Manifest.Ended != "whole" || f.Manifest.Expect["loss.total"] != "== 0" {
		t.Errorf("manifest %+v", f.Manifest)
	}
	next := make(map[string]int)
	for r, err := range f.Records() {
		if err != nil {
			t.Fatal(err)
		}
		next[r.Key]++
		if r.N != next[r.Key] {
			t.Fatalf("worker %s: %d came as number %d", r.Key, r.N, next[r.Key])
		}
	}
	for k, n := range next {
		if n != each {
			t.Errorf("worker %s: %d of %d", k, n, each)
		}
	}
	if len(next) != workers || f.Truncated() {
		t.Errorf("%d workers, truncated %v", len(next), f.Truncated())
	}
	got, err := f.Samples()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestBooksThatAreReadWhileTheyAreWritten(t *testing.T) {
	dir := t.TempDir()
	w, err := runlog.Create(dir, &runlog.Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for n := 1; n <= 3; n++ {
		w.Book(runlog.Record{At: int64(n), Event: runlog.Phase})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		f, err := runlog.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, err := range f.Records() {
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		if got != n || !f.Truncated() {
			t.Errorf("after %d flushes: %d records, truncated %v", n, got, f.Truncated())
		}
	}
}

// Whatever a crash leaves of the file, its reader gets a prefix of what was booked.
func TestBooksCutOffAnywhere(t *testing.T) {
	dir := t.TempDir()
	w, err := runlog.Create(dir, &runlog.Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	const records = 300
	for n := range records {
		w.Book(runlog.Record{At: int64(n), Event: runlog.MachineDropped, Order: strings.Repeat(strconv.Itoa(n*7919), 3)})
		if n%100 == 99 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := runlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(f.Path(runlog.BooksFile))
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for size := range len(whole) {
		if err := os.WriteFile(f.Path(runlog.BooksFile), whole[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		n := 0
		for r, err := range f.Records() {
			if err != nil {
				t.Fatalf("%d of %d bytes: %v", size, len(whole), err)
			}
			if r.At != int64(n) {
				t.Fatalf("%d of %d bytes: record %d is %d", size, len(whole), n, r.At)
			}
			n++
		}
		if n < last {
			t.Fatalf("%d of %d bytes give %d records, fewer than before", size, len(whole), n)
		}
		last = n
		if !f.Truncated() {
			t.Fatalf("%d of %d bytes: not said to be truncated", size, len(whole))
		}
	}
	if last < 200 {
		t.Errorf("only %d of %d records in all but the last byte", last, records)
	}
}

func TestBooksThatAreDamagedAreAnError(t *testing.T) {
	dir := t.TempDir()
	w, err := runlog.Create(dir, &runlog.Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5000 {
		w.Book(runlog.Record{At: int64(n), Event: runlog.MachineDropped, Order: strconv.Itoa(n * 104729)})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, runlog.BooksFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 64 {
		b[len(b)/2+i] ^= 0x5a
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := runlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range f.Records() {
		last = err
	}
	if last == nil && !f.Truncated() {
		t.Error("damaged books were read without a word")
	}
}

func TestALoopOverTheBooksMayEndEarly(t *testing.T) {
	dir := t.TempDir()
	w, err := runlog.Create(dir, &runlog.Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100_000 {
		w.Book(runlog.Record{At: int64(n), Event: runlog.MachineDropped})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := runlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range f.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if r.At == 10 {
			break
		}
	}
}

func TestOnlySomeOrdersAreRead(t *testing.T) {
	dir := t.TempDir()
	w, err := runlog.Create(dir, &runlog.Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []runlog.Record{
		{At: 1, Event: runlog.BuyerIntent, Key: "k1"},
		{At: 2, Event: runlog.BuyerIntent, Key: "k2"},
		{At: 3, Event: runlog.ChannelPaid, Key: "k1", Order: "o1"},
		{At: 4, Event: runlog.MachineDropped, Order: "o1"},
		{At: 5, Event: runlog.MachineDropped, Order: "o12"},
		{At: 6, Event: runlog.Phase, Note: `,"o":"o1"`},
	} {
		w.Book(r)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := runlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for r, err := range f.Select(func(order, key string) bool { return order == "o1" || key == "k1" }) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.At)
	}
	if d := cmp.Diff([]int64{1, 3, 4}, got); d != "" {
		t.Error(d)
	}
}

func TestFoldersThatAreRefused(t *testing.T) {
	tests := []struct{ name, runJSON, want string }{
		{"a folder without run.json", "", "is no run folder: it has no run.json"},
		{"a run of a later version", `{"schema": 99}`, "schema 99 is newer than this lunchrush, which reads up to 1"},
		{"a run without a version", `{}`, "no schema version"},
		{"half a run.json", `{"schema": 1, `, "unexpected end of JSON input"},
		{"a field of the wrong kind", `{"schema": 1, "seed": "x"}`, "cannot unmarshal string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.runJSON != "" {
				if err := os.WriteFile(filepath.Join(dir, runlog.ManifestFile), []byte(tt.runJSON), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := runlog.Open(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFurtherFiles(t *testing.T) {
	dir := t.TempDir()
	w, err := runlog.Create(dir, &runlog.Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/etc/x", "run.json", "books.jsonl.zst", "metrics.csv", "A", ".x", "a\x00"} {
		if f, err := w.File(name); err == nil {
			f.Close()
			t.Errorf("%q was taken as a name", name)
		}
	}
	f, err := w.File("service-1.log")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "service-1.log")); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := runlog.Create(dir, &runlog.Manifest{}); err == nil || !strings.Contains(err.Error(), "already holds a run") {
		t.Errorf("a second run in one folder: %v", err)
	}
}

func TestSamplesOfOtherVersionsAndTornOnes(t *testing.T) {
	tests := []struct {
		name, csv string
		want      []runlog.Sample
		err       string
	}{
		{name: "an empty file", csv: ""},
		{name: "columns in another order, one unknown", csv: "phase,moon,at_ns\nplay,full,5\n", want: []runlog.Sample{{Phase: "play", AtNS: 5}}},
		{name: "a last row cut in its first column", csv: "at_ns,phase\n5,play\n6", want: []runlog.Sample{{Phase: "play", AtNS: 5}}},
		{name: "a bad row in the middle", csv: "at_ns,phase\nx,play\n6,play\n", err: "line 2: at_ns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := runlog.ReadSamples(strings.NewReader(tt.csv))
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if err == nil {
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

func BenchmarkBook(b *testing.B) {
	w, err := runlog.Create(b.TempDir(), &runlog.Manifest{})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	r := runlog.Record{
		At: 123456789012, Event: runlog.NotifyAnswer, Order: "20261120000001", Channel: "wechat", ID: "n000001",
		Txn: "4200000001", N: 1, Status: 200, OK: true, Took: 1234567,
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Book(r)
	}
}
