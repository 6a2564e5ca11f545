package testbed

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The parts that every testbed has.
const (
	PartMySQL Part = "mysql"
	PartCache Part = "redis-cache"
	PartQueue Part = "redis-queue"
)

// folderPrefix begins the name of every temp folder; a sweep removes nothing else.
const folderPrefix = "lunchrush-"

// listenLimit is how long a service may take until it listens.
const listenLimit = 60 * time.Second

// resetLimit bounds a Reset: a database that stands still would be asked for ever. What is bounded within it, sessions and a
// replica that is behind, takes up to a minute and a half. Tests change it.
var resetLimit = 2 * time.Minute

// A Pauser is an [Instance] that can be stopped in its tracks and go on later: its sockets stay open, nothing answers.
// Every part of every testbed is one.
type Pauser interface {
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
}

// A stack is what the testbeds have in common: the parts, the way to empty them, the order in which they go.
type stack struct {
	name   string
	engine string
	dsn    string
	cache  string
	queue  string
	spec   Spec
	ledger *ledger
	folder string // private temp folder, "" if there is none
	admin  database

	replica *replica // nil: none

	launch func(ctx context.Context, s ServiceSpec) (Instance, error)
	swap   func(ctx context.Context, program string) error // readies launch for another program; nil: there is nothing to ready

	mu      sync.Mutex                          // guards what follows
	program string                              // what launch starts; "" is this very program
	rewrite func(config []byte) ([]byte, error) // of the services to come; nil: none
	parts   map[Part]Instance
	order   []Part                            // as started
	undo    []func(ctx context.Context) error // what is not a part: networks, clients
	closing bool
	closed  chan struct{} // closed when Close has finished
	err     error         // Close's
}

func newStack(name string, spec Spec) (*stack, error) {
	l, err := openLedger(spec.RunID)
	if err != nil {
		return nil, err
	}
	return &stack{name: name, spec: spec, ledger: l, program: spec.Binary, parts: map[Part]Instance{}, closed: make(chan struct{})}, nil
}

// makeFolder makes the stack's private folder. Its name is short: a Unix socket's path has room for 107 bytes.
func (s *stack) makeFolder() error {
	folder, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return err
	}
	s.folder = folder
	return s.ledger.add(entry{Folder: folder})
}

func (s *stack) Name() string   { return s.name }
func (s *stack) Engine() string { return s.engine }

func (s *stack) Archive() string { return archiveName }

// The addresses change when a part is started again elsewhere.
func (s *stack) DSN() string        { return s.read(&s.dsn) }
func (s *stack) CacheRedis() string { return s.read(&s.cache) }
func (s *stack) QueueRedis() string { return s.read(&s.queue) }

func (s *stack) read(address *string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *address
}

func (s *stack) Part(name Part) Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[name]
}

// adopt makes a started instance a part, which Close stops from now on. A part that has ended gives its name up.
func (s *stack) adopt(name Part, i Instance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errors.New("testbed is closed")
	}
	s.parts[name] = i
	s.order = append(slices.DeleteFunc(s.order, func(p Part) bool { return p == name }), name)
	return nil
}

// Serve implements [Stack].
func (s *stack) Serve(ctx context.Context, program string, rewrite func([]byte) ([]byte, error)) error {
	program = cmp.Or(program, s.spec.Binary)
	if s.swap != nil {
		if err := s.swap(ctx, program); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.program, s.rewrite = program, rewrite
	return nil
}

func (s *stack) StartService(ctx context.Context, spec ServiceSpec) (Instance, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	name := Part(spec.Name)
	s.mu.Lock()
	old, taken := s.parts[name]
	closing, rewrite := s.closing, s.rewrite
	s.mu.Unlock()
	if closing {
		return nil, errors.New("testbed is closed")
	}
	if rewrite != nil {
		var err error
		if spec.Config, err = rewrite(spec.Config); err != nil {
			return nil, fmt.Errorf("service %s: %w", name, err)
		}
	}
	if taken {
		select {
		case <-old.Exited():
		default:
			return nil, fmt.Errorf("%s: runs already; stop it first", name)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, listenLimit, fmt.Errorf("%v are over", listenLimit))
	defer cancel()
	i, err := s.launch(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := s.adopt(name, i); err != nil {
		return nil, errors.Join(err, i.Kill())
	}
	return i, nil
}

func (s ServiceSpec) check() error {
	switch {
	case !validName(s.Name):
		return fmt.Errorf("service %q: a name is made of [a-z0-9-]", s.Name)
	case Part(s.Name).underService():
		return fmt.Errorf("service %q: the name belongs to the testbed", s.Name)
	case len(s.Roles) == 0:
		return fmt.Errorf("service %q: no role", s.Name)
	case s.CPUs < 0 || s.MemoryMiB < 0:
		return fmt.Errorf("service %q: cpus %v, memory %d MiB: negative", s.Name, s.CPUs, s.MemoryMiB)
	}
	return nil
}

func validName(s string) bool {
	return s != "" && len(s) <= 40 && s[0] != '-' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// arguments are the command line of a service process; its config comes on stdin.
func (s ServiceSpec) arguments() []string {
	return []string{"serve", "--role", strings.Join(s.Roles, ","), "--config", "-"}
}

// environment holds the service to its CPUs and memory where nothing else does: Go uses no more threads at once than
// GOMAXPROCS, and collects garbage harder towards GOMEMLIMIT, which is a wish and not a wall.
func (s ServiceSpec) environment() []string {
	var env []string
	if s.CPUs > 0 {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(max(1, int(math.Ceil(s.CPUs)))))
	}
	if s.MemoryMiB > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.Itoa(s.MemoryMiB)+"MiB")
	}
	return env
}

// launchProcess starts a service as a child process.
func (s *stack) launchProcess(ctx context.Context, spec ServiceSpec) (Instance, error) {
	binary, err := Spec{Binary: s.read(&s.program)}.binary()
	if err != nil {
		return nil, err
	}
	config := spec.Config
	if config == nil {
		config = []byte{} // an empty stdin, not the harness's own
	}
	p, err := command{
		part: Part(spec.Name), path: binary, args: spec.arguments(), env: spec.environment(), stdin: config,
		announces: true, logDir: s.spec.LogDir, place: s.spec.Held.service(spec),
	}.start(s.ledger)
	if err != nil {
		return nil, err
	}
	line, err := p.announced(ctx)
	if err == nil {
		p.public, p.internal, err = readListening(line)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("service %s: %w", spec.Name, err), p.Kill())
	}
	return p, nil
}

func (s Spec) binary() (string, error) {
	if s.Binary != "" {
		return filepath.Abs(s.Binary)
	}
	return Self()
}

// Self is a path of this very program. Where another has been built in its place meanwhile, it is the kernel's name for the one that
// runs: a run goes on with the program that it began with.
func Self() (string, error) {
	const running = "/proc/self/exe"
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	own, err := os.Stat(running)
	if err != nil { //nolint:nilerr // no Linux: there is no such name
		return path, nil
	}
	if there, err := os.Stat(path); err == nil && os.SameFile(own, there) {
		return path, nil
	}
	return running, nil
}

// readListening reads what a service prints when it listens, and refuses an address that is not loopback.
func readListening(line []byte) (public, internal string, err error) {
	var l struct{ Msg, Public, Internal string }
	if err := json.Unmarshal(line, &l); err != nil || l.Msg != "listening" || l.Public == "" || l.Internal == "" {
		return "", "", fmt.Errorf(`its first line is %.200q, not {"msg":"listening","public":...,"internal":...}`, line)
	}
	for _, addr := range []string{l.Public, l.Internal} {
		if err := requireLoopback(addr); err != nil {
			return "", "", err
		}
	}
	return "http://" + l.Public, "http://" + l.Internal, nil
}

// requireLoopback refuses an address outside this machine's loopback before anything dials it: load never leaves it.
func requireLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s: not a loopback address; a testbed dials 127.0.0.1 only", addr)
	}
	return nil
}

func (s *stack) Reset(ctx context.Context) error {
	late := fmt.Errorf("not done within %v", resetLimit)
	ctx, cancel := context.WithTimeoutCause(ctx, resetLimit, late)
	defer cancel()
	err := s.empty(ctx)
	if err != nil && errors.Is(context.Cause(ctx), late) { // the clients tell of their context's end, and not why
		return fmt.Errorf("%w, something does not answer: %w", late, err)
	}
	return err
}

func (s *stack) empty(ctx context.Context) error {
	err := s.admin.endSessions(ctx)
	if err == nil {
		err = s.admin.empty(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", PartMySQL, err)
	} else {
		err = s.CatchUp(ctx) // else the next run would find this one's orders in it
	}
	if err != nil && ctx.Err() != nil {
		return err // the others would be blamed for the time that is over
	}
	for _, addr := range []string{s.CacheRedis(), s.QueueRedis()} {
		err = errors.Join(err, withRedis(addr, func(c *redis.Client) error {
			if e := c.FlushAll(ctx).Err(); e != nil {
				return fmt.Errorf("redis %s: %w", addr, e)
			}
			return nil
		}))
	}
	return err
}

// Close works with a canceled context, too: what has been started must go whatever happened to the run.
func (s *stack) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		<-s.closed
		return s.err
	}
	s.closing = true
	order, undo := slices.Clone(s.order), slices.Clone(s.undo)
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var failed []error
	failed = append(failed, s.farewell(PartMySQL, s.admin.close()))
	if s.replica != nil {
		failed = append(failed, s.farewell(PartReplica, s.replica.close()))
	}
	failed = append(failed, s.stopParts(ctx, order)...)
	for _, f := range slices.Backward(undo) {
		failed = append(failed, f(ctx))
	}
	if s.folder != "" {
		failed = append(failed, os.RemoveAll(s.folder))
	}
	s.err = errors.Join(failed...)
	remains := func(err error) bool { killed := (*Killed)(nil); return err != nil && !errors.As(err, &killed) }
	if !slices.ContainsFunc(failed, remains) { // otherwise it stays, for the next sweep
		s.err = errors.Join(s.err, s.ledger.close())
	}
	close(s.closed)
	return s.err
}

// farewell is what went wrong with the last words to a part: nothing when it has died before, which somebody else has told of.
func (s *stack) farewell(name Part, err error) error {
	if i := s.Part(name); i != nil {
		select {
		case <-i.Exited():
			return nil
		default:
		}
	}
	return err
}

// stopParts stops the services in reverse order, then what they stood on, one after the other.
func (s *stack) stopParts(ctx context.Context, order []Part) []error {
	var errs []error
	for _, ground := range []bool{false, true} {
		for _, name := range slices.Backward(order) {
			if name.underService() == ground {
				errs = append(errs, s.Part(name).Stop(ctx))
			}
		}
	}
	return errs
}

// underService reports whether the part is the testbed's own: a database that services stand on.
func (p Part) underService() bool {
	return p == PartMySQL || p == PartReplica || p == PartCache || p == PartQueue
}

// abandon is for a start that went wrong half-way.
func (s *stack) abandon(ctx context.Context, cause error) error {
	return errors.Join(cause, s.Close(ctx))
}
