package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// streamsMost bounds the browsers that look at once: each frame is drawn once for all, but written for each.
const streamsMost = 8

// aliveEvery is how often a stream with nothing to tell says that it is there.
const aliveEvery = 10 * time.Second

// enterStream registers a stream; false when there are too many.
func (p *Page) enterStream() (poked chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.streams) >= streamsMost {
		return nil, false
	}
	if len(p.streams) == 0 {
		p.quiet = make(chan struct{})
	}
	poked = make(chan struct{}, 1)
	p.streams[poked] = true
	return poked, true
}

func (p *Page) leaveStream(poked chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.streams, poked)
	if len(p.streams) == 0 {
		close(p.quiet)
	}
}

// A frame is what a browser is told: the fragments of the page that have changed since the frame before, by id.
type frame struct {
	Swap   map[string]string `json:"swap,omitempty"`
	Over   bool              `json:"over,omitempty"`   // nothing more will come
	Report bool              `json:"report,omitempty"` // the report is at /report
}

// events is the stream of one browser: server-sent events, a frame at each change. A browser that reads too slowly misses
// frames, never the last one.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	poked, ok := p.enterStream()
	if !ok {
		http.Error(w, fmt.Sprintf("%d pages look at this run already", streamsMost), http.StatusServiceUnavailable)
		return
	}
	defer p.leaveStream(poked)
	view := viewOf(r)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // else the server takes the silence of the browser for its end
	w.Header().Set("Content-Type", "text/event-stream")
	if !p.send(w, control, []byte("retry: 1000\n\n")) {
		return
	}
	told := map[string]string{}
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		text, over := p.next(view, told)
		if !p.send(w, control, text) {
			return
		}
		if over {
			select { // the browser goes when it has what it wants
			case <-r.Context().Done():
			case <-p.closing.Done():
			}
			return
		}
		for waiting := true; waiting; {
			select {
			case <-poked:
				waiting = false
			case <-alive.C:
				if !p.send(w, control, []byte(": here\n\n")) {
					return
				}
			case <-r.Context().Done():
				return
			case <-p.closing.Done():
				return
			}
		}
	}
}

// next is the event that tells what has changed since told, which it updates; empty when nothing has.
func (p *Page) next(view view, told map[string]string) (text []byte, over bool) {
	d := p.draw(view)
	f := frame{Swap: map[string]string{}, Over: d.over, Report: d.over && d.report}
	for id, html := range d.fragments {
		if told[id] != html {
			f.Swap[id] = html
		}
	}
	maps.Copy(told, f.Swap)
	if len(f.Swap) == 0 && !f.Over {
		return nil, false
	}
	var b bytes.Buffer
	b.WriteString("event: frame\ndata: ")
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil { // strings
		panic(err)
	}
	b.WriteByte('\n') // Encode has ended the line
	return b.Bytes(), d.over
}

func (p *Page) send(w http.ResponseWriter, control *http.ResponseController, text []byte) bool {
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := w.Write(text); err != nil {
		return false
	}
	return control.Flush() == nil
}
