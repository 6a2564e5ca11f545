package runlog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// The names of a run folder's own files.
const (
	ManifestFile = "run.json"
	BooksFile    = "books.jsonl.zst"
	MetricsFile  = "metrics.csv"
	PlanFile     = "plan.jsonl.zst"
	LatencyFile  = "latency.hlog"
	ResultsFile  = "results.bin"
)

const (
	flushEvery = time.Second
	chunkBytes = 128 << 10 // handed to the compressor as soon as this much waits
	queueBytes = 16 << 20  // a caller of Book compresses by itself once this much waits: memory stays bounded
)

// A Writer fills one run folder. Its methods may be called by many goroutines at once. What was booked more than a
// second ago survives the death of the process; nothing here calls fsync, so it need not survive the machine's.
type Writer struct {
	dir string

	mu    sync.Mutex // guards queue, spare, err
	queue []byte     // booked and not yet compressed
	spare []byte
	err   error // the first one; every later call returns it

	encMu sync.Mutex // guards enc and dirty; taken before mu, so that chunks stay in order
	enc   *zstd.Encoder
	books *os.File
	dirty bool // compressed something that was not flushed

	csvMu sync.Mutex // guards csv and row
	csv   *os.File
	row   []byte

	manifestMu sync.Mutex // one replacement of run.json at a time

	full   chan struct{} // capacity 1: a chunk waits
	stop   chan struct{}
	done   chan struct{}
	closed sync.Once
}

// Create makes the folder dir (with its parents, 0755) and the files that every run has. It refuses a folder that holds a
// run already. The Writer must be closed.
func Create(dir string, m *Manifest) (_ *Writer, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, ManifestFile)); err == nil {
		return nil, fmt.Errorf("%s already holds a run", dir)
	}
	w := &Writer{
		dir:  dir,
		full: make(chan struct{}, 1),
		stop: make(chan struct{}),
		done: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			closeAll(w.books, w.csv)
		}
	}()
	if w.books, err = os.Create(filepath.Join(dir, BooksFile)); err != nil {
		return nil, err
	}
	// One encoder goroutine at the fastest level: the books shrink about tenfold for 3 ns a byte, and a large share of the
	// machine must stay with the load.
	w.enc, err = zstd.NewWriter(w.books, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	if w.csv, err = os.Create(filepath.Join(dir, MetricsFile)); err != nil {
		return nil, err
	}
	if _, err = w.csv.WriteString(sampleHeader()); err != nil {
		return nil, err
	}
	if err = w.SaveManifest(m); err != nil { // last: a folder with run.json is a run
		return nil, err
	}
	go w.flushEachSecond()
	return w, nil
}

// Dir is the folder.
func (w *Writer) Dir() string { return w.dir }

// Err is the first error that any write met, nil if there was none.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Book appends r to the books. It costs some hundred nanoseconds and never waits for the disk unless 16 MiB wait to be
// written. Errors show in Err, Flush and Close.
func (w *Writer) Book(r Record) {
	w.mu.Lock()
	if w.err != nil {
		w.mu.Unlock()
		return
	}
	w.queue = AppendRecord(w.queue, &r)
	waiting := len(w.queue)
	w.mu.Unlock()
	switch {
	case waiting >= queueBytes:
		_ = w.drain(false) // sticky
	case waiting >= chunkBytes:
		select {
		case w.full <- struct{}{}:
		default:
		}
	}
}

// Flush writes everything booked so far to the operating system.
func (w *Writer) Flush() error { return w.drain(true) }

// drain compresses what waits; with flush it also ends the compressor's block, so that a reader gets all of it.
func (w *Writer) drain(flush bool) error {
	w.encMu.Lock()
	defer w.encMu.Unlock()
	w.mu.Lock()
	chunk, err := w.queue, w.err
	w.queue, w.spare = w.spare[:0], nil
	w.mu.Unlock()
	if err != nil {
		return err
	}
	if len(chunk) > 0 {
		_, err = w.enc.Write(chunk)
		w.dirty = true
	}
	if err == nil && flush && w.dirty {
		err = w.enc.Flush()
		w.dirty = false
	}
	w.mu.Lock()
	if w.spare == nil {
		w.spare = chunk[:0]
	}
	w.mu.Unlock()
	return w.fail(err)
}

// fail keeps the first error and returns it.
func (w *Writer) fail(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("writing the run folder: %w", err)
	}
	return w.err
}

func (w *Writer) flushEachSecond() {
	defer close(w.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-w.full:
			_ = w.drain(false) // sticky
		case <-tick.C:
			_ = w.drain(true) // sticky
		}
	}
}

// Sample appends one row to metrics.csv.
func (w *Writer) Sample(s Sample) error {
	w.csvMu.Lock()
	defer w.csvMu.Unlock()
	w.row = appendSample(w.row[:0], &s)
	_, err := w.csv.Write(w.row)
	return w.fail(err)
}

// SaveManifest replaces run.json: a reader sees the old one or the new one, never half of one.
func (w *Writer) SaveManifest(m *Manifest) error {
	w.manifestMu.Lock()
	defer w.manifestMu.Unlock()
	m.Schema = SchemaVersion
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", ManifestFile, err)
	}
	return replaceFile(filepath.Join(w.dir, ManifestFile), append(b, '\n'))
}

// replaceFile puts content at path in one step.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error that matters is err
	}
	return err
}

var fileName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)

// File creates a further file in the folder, buffered; it must be closed. The name is lower case letters, digits, dot,
// dash and underscore, and none of the Writer's own files.
func (w *Writer) File(name string) (io.WriteCloser, error) {
	if !fileName.MatchString(name) || slices.Contains([]string{ManifestFile, BooksFile, MetricsFile}, name) {
		return nil, fmt.Errorf("%q cannot be the name of a further file in a run folder", name)
	}
	f, err := os.Create(filepath.Join(w.dir, name))
	if err != nil {
		return nil, err
	}
	return &bufferedFile{Writer: bufio.NewWriterSize(f, 64<<10), f: f}, nil
}

type bufferedFile struct {
	*bufio.Writer
	f *os.File
}

func (b *bufferedFile) Close() error { return errors.Join(b.Flush(), b.f.Close()) }

// Close flushes and closes the books and metrics.csv. It does not touch run.json: save that before. A second Close does
// nothing.
func (w *Writer) Close() error {
	w.closed.Do(func() {
		close(w.stop)
		<-w.done
		_ = w.drain(true) // sticky
		w.encMu.Lock()
		defer w.encMu.Unlock()
		_ = w.fail(errors.Join(w.enc.Close(), w.books.Close(), w.csv.Close()))
	})
	return w.Err()
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close() // on the way out of a failed Create
		}
	}
}
