package testbed

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestChoose(t *testing.T) {
	there := func(context.Context) error { return nil }
	absent := func(why string) func(context.Context) error {
		return func(context.Context) error { return errors.New(why) }
	}
	all := func(containers, local, embedded func(context.Context) error) []probe {
		return []probe{
			{name: Containers, look: containers, hint: "start an engine"},
			{name: Local, look: local, hint: "install MariaDB"},
			{name: Embedded, look: embedded, hint: "install Go"},
		}
	}
	dynamic := func() error { return errors.New("dynamically linked") }
	onlyAuto := all(there, there, there)
	onlyAuto[0].auto = dynamic
	tests := []struct {
		name   string
		want   string
		needs  []string
		probes []probe
		chosen string
		why    []string
		err    string
	}{{
		name: "auto takes containers first", want: "auto", probes: all(there, there, there), chosen: Containers,
	}, {
		name: "auto says why it passed containers over", want: "auto", probes: all(absent("no engine"), there, there),
		chosen: Local, why: []string{"containers: no engine"},
	}, {
		name: "nothing asked for is auto", want: "", probes: all(absent("a"), absent("b"), there),
		chosen: Embedded, why: []string{"containers: a", "local: b"},
	}, {
		name: "auto passes over what cannot meet a need", want: "auto", needs: []string{"innodb"}, probes: all(absent("a"), absent("b"), there),
		err: "no testbed can be used: containers: a; local: b; embedded: does not have innodb, which needs containers or local; " +
			"to get one: start an engine, or install MariaDB",
	}, {
		name: "a testbed asked for by name is never replaced", want: "containers", probes: all(absent("no engine"), there, there),
		err: "testbed containers: no engine; start an engine",
	}, {
		name: "a need that the named testbed lacks", want: "embedded", needs: []string{"innodb"}, probes: all(there, there, there),
		err: "testbed embedded: does not have innodb, which needs containers or local",
	}, {
		name: "a need that only containers meet", want: "local", needs: []string{"containers"}, probes: all(there, there, there),
		err: "testbed local: does not have containers, which needs containers",
	}, {
		name: "a replica, of the embedded engine, which has none", want: "embedded", needs: []string{"replica", "innodb"}, probes: all(there, there, there),
		err: "testbed embedded: does not have replica, innodb, which needs containers or local",
	}, {
		name: "a need that nobody meets", want: "auto", needs: []string{"quorum"}, probes: all(there, there, there),
		err: "no testbed can be used: containers: does not have quorum; local: does not have quorum; embedded: does not have quorum",
	}, {
		name: "auto passes containers over when this executable could not run in one", want: "auto", probes: onlyAuto,
		chosen: Local, why: []string{"containers: dynamically linked"},
	}, {
		name: "containers asked for by name may bring another executable", want: "containers", probes: onlyAuto, chosen: Containers,
	}, {
		name: "an unknown testbed lists the known", want: "docker", probes: all(there, there, there),
		err: `testbed "docker": no such testbed; want one of auto, containers, local, embedded`,
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := choose(t.Context(), test.want, test.needs, test.probes)
			if got := errorText(err); got != test.err {
				t.Fatalf("error %q\nwant  %q", got, test.err)
			}
			if c.Name != test.chosen || strings.Join(c.Why, "|") != strings.Join(test.why, "|") {
				t.Errorf("chose %q because %q, want %q because %q", c.Name, c.Why, test.chosen, test.why)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAnEngineBehindANetworkAddressIsNotTaken(t *testing.T) {
	t.Setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
	_, err := Choose(t.Context(), Containers, nil)
	if err == nil || !strings.Contains(err.Error(), "DOCKER_HOST is tcp://192.0.2.1:2375") {
		t.Errorf("error %v", err)
	}
}

func TestAnEngineThatIsNotThereIsAReason(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "no.sock"))
	_, err := Choose(t.Context(), Containers, nil)
	if err == nil || !strings.Contains(err.Error(), "no engine answers at unix://") || !strings.Contains(err.Error(), "make images") {
		t.Errorf("error %v", err)
	}
}

func TestAnEngineThatWasSlowOnceIsAskedAgainLater(t *testing.T) {
	defer func(limit, quiet time.Duration) { engineLimit, deafFor = limit, quiet }(engineLimit, deafFor)
	engineLimit, deafFor = 200*time.Millisecond, time.Hour
	dir, err := os.MkdirTemp("", "lr-") //nolint:usetesting // short: a Unix socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	socket, err := net.Listen("unix", filepath.Join(dir, "engine.sock"))
	if err != nil {
		t.Fatal(err)
	}
	var slow atomic.Bool
	slow.Store(true)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
			w.Header().Set("Api-Version", "1.41")
		case slow.Load():
			<-r.Context().Done()
		default:
			_, _ = io.WriteString(w, `{"OSType":"linux","OperatingSystem":"Debian"}`)
		}
	})}
	go func() { _ = server.Serve(socket) }()
	defer func() { _ = server.Close() }()
	t.Setenv("DOCKER_HOST", "unix://"+socket.Addr().String())
	open := func() error {
		e, err := openEngine(t.Context())
		if err == nil {
			err = e.Close()
		}
		return err
	}
	const deafness = "takes connections and does not answer"
	if err := open(); err == nil || !strings.Contains(err.Error(), deafness) {
		t.Fatalf("of a slow engine: %v", err)
	}
	slow.Store(false)
	if err := open(); err == nil || !strings.Contains(err.Error(), deafness) {
		t.Errorf("asked again at once: %v", err)
	}
	deafFor = 0
	if err := open(); err != nil {
		t.Errorf("asked again later: %v", err)
	}
}

func TestAnEngineThatIsHalfDeadIsAReason(t *testing.T) {
	tests := []struct {
		name  string
		serve http.HandlerFunc // nil: connections are taken and never read
		want  string
	}{
		{"it takes connections and never answers", nil, "takes connections and does not answer within"},
		{"it tells about itself and not about its images", func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/_ping"):
				w.Header().Set("Api-Version", "1.41")
			case strings.HasSuffix(r.URL.Path, "/info"):
				_, _ = io.WriteString(w, `{"OSType":"linux","OperatingSystem":"Debian"}`)
			default:
				<-r.Context().Done()
			}
		}, "when asked for its images"},
		{"it answers with a broken line", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
		}, "no engine answers at"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func(limit time.Duration) { engineLimit = limit }(engineLimit)
			engineLimit = 200 * time.Millisecond
			dir, err := os.MkdirTemp("", "lr-") //nolint:usetesting // short: a Unix socket's path has at most 107 bytes
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(dir) }()
			socket, err := net.Listen("unix", filepath.Join(dir, "engine.sock"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = socket.Close() }()
			if tt.serve != nil {
				server := &http.Server{Handler: tt.serve}
				go func() { _ = server.Serve(socket) }()
				defer func() { _ = server.Close() }()
			}
			t.Setenv("DOCKER_HOST", "unix://"+socket.Addr().String())
			all := probes()[:1]
			all = append(all, probe{name: Local, look: func(context.Context) error { return nil }})
			c, err := choose(t.Context(), Auto, nil, all)
			if err != nil || c.Name != Local || len(c.Why) != 1 || !strings.Contains(c.Why[0], tt.want) {
				t.Fatalf("chose %+v, %v; want local because of %q", c, err, tt.want)
			}
			// Nothing that comes after may hang on the same engine.
			var s Sweep
			if err := s.sweepContainers(t.Context(), dir); tt.want != "when asked for its images" && (err != nil || len(s.Notes) != 1) {
				t.Errorf("swept with %v, %q", err, s.Notes)
			}
		})
	}
}

func TestAnImageThatCannotBeHadIsAReason(t *testing.T) {
	if err := probeContainers(t.Context()); err != nil {
		if slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), Containers) {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Setenv(mariadbImageVariable, "127.0.0.1:1/lunchrush/nothing:1")
	_, err := Choose(t.Context(), Containers, nil)
	if err == nil || !strings.Contains(err.Error(), "image 127.0.0.1:1/lunchrush/nothing:1 is absent and cannot be pulled") {
		t.Errorf("error %v", err)
	}
}

func TestRequireLoopback(t *testing.T) {
	tests := []struct {
		addr string
		ok   bool
	}{
		{"127.0.0.1:80", true},
		{"[::1]:80", true},
		{"127.9.9.9:80", true},
		{"0.0.0.0:80", false},
		{"[::]:80", false},
		{":80", false},
		{"192.0.2.1:80", false},
		{"localhost:80", false},
		{"", false},
		{"127.0.0.1", false},
	}
	for _, test := range tests {
		if err := requireLoopback(test.addr); (err == nil) != test.ok {
			t.Errorf("%q: %v", test.addr, err)
		}
	}
}

func TestWhatDatabasesSayOfAPortThatWasTakenIsUnderstood(t *testing.T) {
	for _, test := range []struct {
		said  string
		taken bool
	}{
		{"1:M 30 Nov 2026 14:10:22.425 # Failed listening on port 29999 (TCP), aborting.", true},
		{"[ERROR] Do you already have another server running on port: 29999 ?", true},
		{"[ERROR] Do you already have another server running on socket: /tmp/db.sock ?", false},
		{"listen tcp 127.0.0.1:80: bind: address already in use", true},
		{"[ERROR] Aborting", false},
	} {
		if got := errors.Is(clash(errors.New(test.said)), errPortTaken); got != test.taken {
			t.Errorf("%q: taken %v, want %v", test.said, got, test.taken)
		}
	}
}

func TestASilentProgramOnTheDatabasesPortIsNotWaitedFor(t *testing.T) {
	defer func(was time.Duration) { tryLimit = was }(tryLimit)
	tryLimit = 20 * time.Millisecond
	silent, err := net.Listen("tcp", loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	admin := mysql.NewConfig()
	admin.User, admin.Net, admin.Addr = "root", "tcp", silent.Addr().String()
	ended := errors.New("the database has ended")
	for name, open := range map[string]func(alive func() error) error{
		"by its administrator": func(alive func() error) error {
			_, _, err := openDatabase(t.Context(), admin, admin.Addr, alive)
			return err
		},
		"by one without a password": func(alive func() error) error { return lockUp(t.Context(), admin, alive) },
	} {
		asked := 0
		err := open(func() error { // it ends while the first question is being asked
			if asked++; asked > 1 {
				return ended
			}
			return nil
		})
		if !errors.Is(err, ended) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPortThatWasTakenIsTriedAgainWithAnother(t *testing.T) {
	seen := map[int]bool{}
	err := withFreePort(func(port int) error {
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			t.Errorf("port %d is not free: %v", port, err)
		} else {
			_ = l.Close()
		}
		if port < firstPort || port >= lastPort {
			t.Errorf("port %d is in the range of outgoing connections", port)
		}
		seen[port] = true
		if len(seen) < 3 {
			return errPortTaken
		}
		return nil
	})
	if err != nil || len(seen) != 3 {
		t.Errorf("%d ports tried, %v", len(seen), err)
	}
	if err := withFreePort(func(int) error { return errPortTaken }); !errors.Is(err, errPortTaken) {
		t.Errorf("error %v after every port was taken", err)
	}
	calls := 0
	if err := withFreePort(func(int) error { calls++; return errors.New("disk full") }); err == nil || calls != 1 {
		t.Errorf("%d tries, %v; another mistake must not be tried again", calls, err)
	}
}

func TestEngineName(t *testing.T) {
	tests := []struct{ version, want string }{
		{"10.11.19-MariaDB-0+deb12u1", "MariaDB 10.11.19"},
		{"11.4.2-MariaDB", "MariaDB 11.4.2"},
		{"8.0.40", "MySQL 8.0.40"},
		{"8.0.40-0ubuntu0.22.04.1", "MySQL 8.0.40"},
		{"8.0.11-TiDB-v8.5.4", "TiDB v8.5.4"},
	}
	for _, test := range tests {
		if got := engineName(test.version); got != test.want {
			t.Errorf("%s: %s, want %s", test.version, got, test.want)
		}
	}
}

func TestLastWords(t *testing.T) {
	tests := []struct{ name, log, want string }{
		{"the last line", "up\nno space left\n\n", ": no space left"},
		{"the mistake beats the farewell", "x [ERROR] Can't create thread\nx [ERROR] Aborting\nbye\n", ": x [ERROR] Can't create thread"},
		{"an empty log", "", ""},
		{"a long log", strings.Repeat("line\n", 5000) + "the end", ": the end"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(test.log), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := lastWords(path); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestCopySparse(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty":              "",
		"short":              "abc",
		"zeros":              strings.Repeat("\x00", 200_000),
		"holes":              strings.Repeat("\x00", 100_000) + "x" + strings.Repeat("\x00", 100_000),
		"a block and a half": strings.Repeat("y", 96<<10),
	} {
		from, to := filepath.Join(dir, name), filepath.Join(dir, name+" copy")
		if err := os.WriteFile(from, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := copySparse(to, from); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(to); err != nil || string(got) != content {
			t.Errorf("%s: %d bytes copied as %d, %v", name, len(content), len(got), err)
		}
	}
}
