package simulator

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"
)

// A loopbackServer is one upstream's listener. Its answers can be held back, and closing it lets none of them linger.
type loopbackServer struct {
	url    string // "http://127.0.0.1:41003"
	http   *http.Server
	once   sync.Once
	served chan error
	sever  context.CancelFunc // ends the contexts of all requests
	open   sync.RWMutex       // held for reading by every request that is being answered
}

// Limits of what the service may send: the bodies and headers of the protocol are far smaller.
const (
	maxBodyBytes   = 64 << 10
	maxHeaderBytes = 16 << 10
)

func newLoopbackServer(h http.Handler) (*loopbackServer, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, sever := context.WithCancel(context.Background())
	s := &loopbackServer{
		url:    "http://" + ln.Addr().String(),
		served: make(chan error, 1),
		sever:  sever,
		http: &http.Server{
			BaseContext:       func(net.Listener) context.Context { return ctx },
			MaxHeaderBytes:    maxHeaderBytes,
			ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		},
	}
	s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.open.RLock()
		defer s.open.RUnlock()
		h.ServeHTTP(w, r)
		if r.Context().Err() != nil {
			panic(http.ErrAbortHandler) // an answer that is no longer wanted: returning would send an empty 200
		}
	})
	go func() { s.served <- s.http.Serve(ln) }()
	return s, nil
}

// pause holds an answer back. It reports whether the answer is still wanted: the client may have gone, or the server have
// closed the connection.
func (s *loopbackServer) pause(r *http.Request, d time.Duration) bool { return pause(r, d) }

func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// hang answers never: it returns when the client has gone, or the server.
func (s *loopbackServer) hang(r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler) // returning would be an answer
}

// Close breaks all connections and waits until nothing is being answered any more.
func (s *loopbackServer) Close() error {
	var err error
	s.once.Do(func() {
		s.sever() // a request whose body nobody has read would not notice that its connection is closed
		err = s.http.Close()
		<-s.served
		s.open.Lock()
		s.open.Unlock() //nolint:staticcheck // an empty section: it waits for the last reader
	})
	return err
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // only shapes of this package are written: strings and numbers
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone: its own affair
}

// refuse writes an error answer.
func refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]string{"code": code, "message": message})
}
