// Command service speaks just enough of docs/PROTOCOL.md for the testbeds' tests: it listens, says so, burns CPU when
// asked to, and shows what it was given. Its config on stdin is one word for how it should behave.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed/miniredis"
)

// edition is set by the linker: two programs that can be told apart.
var edition = "first"

func main() {
	if len(os.Args) > 1 && os.Args[1] == miniredis.Command {
		if err := miniredis.Run(context.Background(), os.Stdin, os.Stdout); err != nil {
			fatal(err)
		}
		return
	}
	config, err := io.ReadAll(os.Stdin)
	if err != nil {
		fatal(err)
	}
	switch strings.TrimSpace(string(config)) {
	case "refuse":
		fatal("config: front.queue: no such field")
	case "mute":
		time.Sleep(time.Hour)
	case "wrong line":
		fmt.Println("hello")
		time.Sleep(time.Hour)
	case "not loopback":
		fmt.Println(`{"msg":"listening","public":"192.0.2.1:80","internal":"192.0.2.1:81"}`)
		time.Sleep(time.Hour)
	case "deaf to SIGTERM":
		signal.Ignore(syscall.SIGTERM)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /seen", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"edition": edition, "args": os.Args[1:], "config": string(config), "procs": runtime.GOMAXPROCS(0), "memory": os.Getenv("GOMEMLIMIT"),
		})
	})
	mux.HandleFunc("GET /burn", func(http.ResponseWriter, *http.Request) {
		sum := []byte{0}
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
			s := sha256.Sum256(sum)
			sum = s[:]
		}
	})
	mux.HandleFunc("GET /reach", func(w http.ResponseWriter, r *http.Request) {
		c, err := net.DialTimeout("tcp", r.URL.Query().Get("addr"), time.Second)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_ = c.Close()
	})
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fatal(err)
		}
		go func() { fatal(http.Serve(l, mux)) }()
		return l
	}
	public, internal := listen(), listen()
	fmt.Fprintln(os.Stderr, "service: up")
	fmt.Printf("{\"msg\":\"listening\",\"public\":%q,\"internal\":%q}\n", public.Addr(), internal.Addr())
	fmt.Println("a second line")
	term := make(chan os.Signal, 1)
	if strings.TrimSpace(string(config)) != "deaf to SIGTERM" {
		signal.Notify(term, syscall.SIGTERM)
	}
	<-term
	fmt.Fprintln(os.Stderr, "service: ended")
}

func fatal(v any) {
	fmt.Fprintln(os.Stderr, v)
	os.Exit(1)
}
