package runlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// A Folder is a run folder, opened for reading. The run may still be going on, or may have been killed.
type Folder struct {
	Dir      string
	Manifest Manifest

	truncated atomic.Bool
}

// Open reads run.json of the folder dir.
func Open(dir string) (*Folder, error) {
	path := filepath.Join(dir, ManifestFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is no run folder: it has no %s", dir, ManifestFile)
	}
	if err != nil {
		return nil, err
	}
	f := &Folder{Dir: dir}
	var version struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case version.Schema < 1:
		return nil, fmt.Errorf("%s: no schema version", path)
	case version.Schema > SchemaVersion:
		return nil, fmt.Errorf("%s: schema %d is newer than this lunchrush, which reads up to %d", path, version.Schema, SchemaVersion)
	}
	if err := json.Unmarshal(b, &f.Manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Path is the path of the folder's file name.
func (f *Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Samples reads metrics.csv; a folder without one has none.
func (f *Folder) Samples() ([]Sample, error) { return readSamplesFile(f.Path(MetricsFile)) }

// Truncated reports whether the last full reading of Records found that the writer never closed the books.
func (f *Folder) Truncated() bool { return f.truncated.Load() }

// Records gives the records in the order in which they were booked, to the last whole one. Books whose writer was killed
// simply end: see Truncated. Anything else that cannot be read is given as an error, which is the last pair.
//
// A record's strings share memory with its neighbours': clone what is kept for long. Decompression and parsing run ahead
// of the caller on two goroutines of their own, which end with the loop.
func (f *Folder) Records() iter.Seq2[Record, error] { return f.Select(nil) }

// Select is Records without those for which keep says no, which are not even parsed. keep is given the order and the key
// that stand in the record, "" when there is none, as they are written: escapes are not undone. It is called on another
// goroutine than the loop's, one record at a time.
func (f *Folder) Select(keep func(order, key string) bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		f.truncated.Store(false)
		file, err := os.Open(f.Path(BooksFile))
		if errors.Is(err, os.ErrNotExist) {
			f.truncated.Store(true)
			return
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer file.Close()
		// Concurrency 1 decodes on the calling goroutine, which is one of ours already.
		dec, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(1<<30))
		if err != nil {
			yield(Record{}, err)
			return
		}
		p := &pipeline{
			texts:   make(chan text, 2),
			batches: make(chan batch, 2),
			free:    make(chan []Record, 4),
			stop:    make(chan struct{}),
			keep:    keep,
		}
		readEnded := make(chan struct{})
		go func() {
			defer close(readEnded)
			p.read(dec)
		}()
		go p.parse()
		defer func() {
			close(p.stop)
			<-readEnded
			dec.Close()
		}()
		for b := range p.batches {
			for i := range b.records {
				if !yield(b.records[i], nil) {
					return
				}
			}
			if b.torn {
				f.truncated.Store(true)
			}
			if b.err != nil {
				yield(Record{}, fmt.Errorf("%s: %w", f.Path(BooksFile), b.err))
				return
			}
			select {
			case p.free <- b.records[:0]:
			default:
			}
		}
	}
}

// textBytes is how much of the books is parsed at a time: big enough to make the hand-over cheap, small enough that the
// records of the few in flight stay within some megabytes.
const textBytes = 256 << 10

type (
	pipeline struct {
		texts   chan text
		batches chan batch
		free    chan []Record // parsed and consumed: to be filled again
		stop    chan struct{}
		keep    func(order, key string) bool // nil: all
	}
	text struct { // whole lines
		s    string
		torn bool // the books end here without having been closed
		err  error
	}
	batch struct {
		records []Record
		torn    bool
		err     error
	}
)

// read decompresses into texts of whole lines.
func (p *pipeline) read(dec io.Reader) {
	defer close(p.texts)
	send := func(t text) bool {
		select {
		case p.texts <- t:
			return true
		case <-p.stop:
			return false
		}
	}
	buf := make([]byte, 0, textBytes)
	var total int
	for {
		if len(buf) == cap(buf) { // one line longer than the buffer
			buf = append(buf, make([]byte, textBytes)...)[:len(buf)]
		}
		n, err := io.ReadFull(dec, buf[len(buf):cap(buf)])
		total += n
		buf = buf[:len(buf)+n]
		whole := 0
		for i := len(buf) - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				whole = i + 1
				break
			}
		}
		if whole > 0 && !send(text{s: string(buf[:whole])}) {
			return
		}
		buf = buf[:copy(buf, buf[whole:])]
		if err == nil {
			continue
		}
		// ReadFull says ErrUnexpectedEOF both when the stream ended well in mid-buffer and when its frame is cut off.
		// Asking once more tells which: EOF or the decoder's own error.
		_, err = dec.Read(make([]byte, 1))
		switch {
		case errors.Is(err, io.EOF):
			send(text{torn: len(buf) > 0 || total == 0})
		case errors.Is(err, io.ErrUnexpectedEOF):
			send(text{torn: true})
		default:
			send(text{err: err})
		}
		return
	}
}

// parse turns texts into batches of records.
func (p *pipeline) parse() {
	defer close(p.batches)
	line := 0
	for t := range p.texts {
		b := batch{torn: t.torn, err: t.err}
		select {
		case b.records = <-p.free:
		default:
			b.records = make([]Record, 0, 2048)
		}
		for s := t.s; s != "" && b.err == nil; {
			line++
			end := strings.IndexByte(s, '\n')
			if p.keep != nil && !p.keep(quoted(s[:end], `,"o":"`), quoted(s[:end], `,"k":"`)) {
				s = s[end+1:]
				continue
			}
			r, err := ParseRecord(s[:end])
			if err != nil {
				b.err = fmt.Errorf("record %d: %w", line, err)
				break
			}
			b.records = append(b.records, r)
			s = s[end+1:]
		}
		select {
		case p.batches <- b:
		case <-p.stop:
			return
		}
		if b.err != nil {
			return
		}
	}
}

// quoted is what stands in line between name and the next quotation mark.
func quoted(line, name string) string {
	at := strings.Index(line, name)
	if at < 0 {
		return ""
	}
	line = line[at+len(name):]
	return line[:max(0, strings.IndexByte(line, '"'))]
}
