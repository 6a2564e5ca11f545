package balancer

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"strconv"
	"sync"
	"time"
)

// The codes of the balancer's own answers, {"code": ..., "message": ...}. After the first three, no byte of the request has
// reached a backend. After the others it may have had its effect: to a client they are like a time-out, indeterminate.
const (
	CodeFault     = "BALANCER_FAULT"      // [Faults]; their status
	CodeNoBackend = "BALANCER_NO_BACKEND" // none is ready; 503
	CodeRefused   = "BALANCER_REFUSED"    // none could be dialled; 502
	CodeBroken    = "BALANCER_BROKEN"     // the backend ended the connection without an answer; 502
	CodeTimeout   = "BALANCER_TIMEOUT"    // no answer within AnswerTimeout; 504
)

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that does not wait for its answer cannot be told more.
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "message": message})
}

var errNoBackend = errors.New("no backend is ready")

// A flight is one request on its way to a backend and back. It is the reverse proxy's transport, so that the choice of
// the backend is made, and made again, in one place.
type flight struct {
	door     *door
	backend  *backend
	tally    *tally
	began    time.Time
	cold     *spell // of the backend, when it was chosen
	status   int
	answered bool // the whole answer went through
}

// forward carries a request to a backend and its answer back, as both come: nothing waits to be whole.
func (d *door) forward(w http.ResponseWriter, r *http.Request) {
	f := &flight{door: d}
	defer func() {
		if f.tally != nil {
			took := time.Since(f.began)
			f.tally.end(took, f.status, f.answered)
			if f.cold != nil && f.answered {
				f.cold.answered(took)
			}
		}
	}()
	proxy := httputil.ReverseProxy{
		Transport: f, Rewrite: rewrite, ErrorHandler: f.fail, BufferPool: buffers,
		ErrorLog: d.errorLog,
	}
	proxy.ServeHTTP(&streamer{ResponseWriter: w}, r)
	f.answered = f.status != 0
}

// rewrite makes the outgoing request: the same target to the byte, for the machines' signatures cover it, and the same
// host; the hop-by-hop headers are gone. An upgrade is not offered, so none can be accepted.
func rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.Scheme = "http"
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
	p.SetXForwarded()
	p.Out.Header.Del("Connection")
	p.Out.Header.Del("Upgrade")
}

// RoundTrip sends the request to the next backend; when that cannot be dialled, to the one after it, if the balancer redials.
func (f *flight) RoundTrip(req *http.Request) (*http.Response, error) {
	var tried []*backend
	var refused error
	body := req.Body
	for {
		p := f.door.pool
		f.backend = p.pick(tried)
		if f.backend == nil && refused != nil {
			return nil, refused
		}
		if f.backend == nil {
			return nil, errNoBackend
		}
		f.tally = f.door.tally(f.backend.name)
		f.tally.begin()
		f.began = time.Now()
		if f.cold = p.coldness(f.backend); f.cold != nil {
			if err := f.cold.pass(req.Context()); err != nil {
				return nil, err
			}
		}
		if body != nil { // the transport closes a body also when it has not dialled
			req.Body = keptOpen{body}
		}
		req.URL.Host = f.backend.host
		res, err := f.send(req)
		if err == nil {
			f.status = res.StatusCode
			p.answered(f.backend)
			return res, nil
		}
		if req.Context().Err() != nil {
			return nil, req.Context().Err()
		}
		p.unanswered(f.backend)
		if _, ok := errors.AsType[*dialError](err); !ok || p.noRedial {
			return nil, err
		}
		f.tally.end(time.Since(f.began), 0, false)
		f.tally = nil
		tried, refused = append(tried, f.backend), err
	}
}

// send gives the request to the chosen backend once a few before it have their connections. Thousands that are let go at
// one moment would each dial, overflow the backend's queue of connections, and meet again when the system tries anew a
// second later; most of them find a connection that another has left by the time it is their turn.
func (f *flight) send(req *http.Request) (*http.Response, error) {
	dials := f.backend.dials
	if err := dials.take(req.Context()); err != nil {
		return nil, err
	}
	connected := sync.OnceFunc(dials.give)
	defer connected() // also when there was no connection
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected() }}
	return f.door.pool.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
}

// keptOpen is a body that its reader cannot close.
type keptOpen struct{ io.Reader }

func (keptOpen) Close() error { return nil }

// fail answers for a backend that did not.
func (f *flight) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		f.door.abandon()
	}
	var timeout net.Error
	switch _, undialled := errors.AsType[*dialError](err); {
	case errors.Is(err, errNoBackend):
		f.door.noBackend.Add(1)
		refuse(w, http.StatusServiceUnavailable, CodeNoBackend, err.Error())
	case undialled:
		refuse(w, http.StatusBadGateway, CodeRefused, err.Error())
	case errors.As(err, &timeout) && timeout.Timeout():
		refuse(w, http.StatusGatewayTimeout, CodeTimeout, err.Error())
	default:
		refuse(w, http.StatusBadGateway, CodeBroken, err.Error())
	}
}

// A streamer passes on each part of an answer as it comes. The reverse proxy flushes answers of unknown length by itself;
// it could do so with the others too, but would send the header of each on its own, twice the work for a short one.
type streamer struct {
	http.ResponseWriter
	left int64 // of the body, when its length is known
}

// Unwrap is for http.ResponseController.
func (s *streamer) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// WriteHeader may be called more than once: informational answers come before the last.
func (s *streamer) WriteHeader(status int) {
	s.left, _ = strconv.ParseInt(s.Header().Get("Content-Length"), 10, 64)
	s.ResponseWriter.WriteHeader(status)
}

func (s *streamer) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p)
	s.left -= int64(n)
	if err == nil && s.left > 0 {
		err = http.NewResponseController(s.ResponseWriter).Flush()
	}
	return n, err
}

// Buffers carry bodies. They are small: thousands of requests go at one moment.
type bufferPool struct{ pool sync.Pool }

const bufferBytes = 8 << 10

var buffers = &bufferPool{sync.Pool{New: func() any { return new([bufferBytes]byte) }}}

func (b *bufferPool) Get() []byte    { return b.pool.Get().(*[bufferBytes]byte)[:] }
func (b *bufferPool) Put(buf []byte) { b.pool.Put((*[bufferBytes]byte)(buf)) }
