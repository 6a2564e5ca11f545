package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/lunchrush/lunchrush/internal/testbed/miniredis"
)

// The embedded testbed: TiDB in one process and miniredis twice, all child processes. For machines with neither an engine
// nor a database; what it measures says nothing about a database.

// engineMemory is the garbage collector's goal for TiDB: with it and its own tuner off, 484 MB after a minute of load
// instead of 1.5 GB, at the same throughput.
const engineMemory = "400MiB"

func probeEmbedded(context.Context) error {
	if EngineBuilt() {
		return nil
	}
	return requireGo()
}

func startEmbedded(ctx context.Context, spec Spec) (Stack, error) {
	engine, err := BuildEngine(ctx, spec.notice)
	if err != nil {
		return nil, fmt.Errorf("embedded testbed: %w", err)
	}
	s, err := newStack(Embedded, spec)
	if err != nil {
		return nil, fmt.Errorf("embedded testbed: %w", err)
	}
	s.launch = s.launchProcess
	if err := s.startEmbeddedParts(ctx, engine); err != nil {
		return nil, s.abandon(ctx, fmt.Errorf("embedded testbed: %w", err))
	}
	return s, nil
}

func (s *stack) startEmbeddedParts(ctx context.Context, engine string) error {
	if err := s.makeFolder(); err != nil {
		return err
	}
	var err error
	if s.cache, err = s.startMiniredis(ctx, PartCache); err != nil {
		return err
	}
	if s.queue, err = s.startMiniredis(ctx, PartQueue); err != nil {
		return err
	}
	if err := s.startEngine(ctx, engine); err != nil {
		return err
	}
	database, err := s.admin.version(ctx)
	s.engine = database + " (unistore), miniredis" + miniredisVersion()
	return err
}

// RunMiniredis is [miniredis.Run], for lunchrush's hidden command [miniredis.Command].
func RunMiniredis(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	return miniredis.Run(ctx, stdin, stdout)
}

// startMiniredis runs lunchrush itself as a Redis.
func (s *stack) startMiniredis(ctx context.Context, part Part) (string, error) {
	binary, err := s.spec.binary()
	if err != nil {
		return "", err
	}
	return s.startAnnounced(ctx, "redis", command{part: part, path: binary, args: []string{miniredis.Command}})
}

func (s *stack) startEngine(ctx context.Context, path string) error {
	data := filepath.Join(s.folder, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	addr, err := s.startAnnounced(ctx, "mysql", command{
		part: PartMySQL, path: path, env: []string{"GOMEMLIMIT=" + engineMemory},
		args: []string{"-dir", data, "-max-connections", strconv.Itoa(s.spec.connections())},
	})
	if err != nil {
		return err
	}
	admin := mysql.NewConfig()
	admin.User, admin.Net, admin.Addr = "root", "tcp", addr
	s.admin, s.dsn, err = openDatabase(ctx, admin, addr, func() error {
		select {
		case <-s.Part(PartMySQL).Exited():
			return errors.Join(s.Part(PartMySQL).Err(), errors.New("the engine has ended"))
		default:
			return nil
		}
	})
	return err
}

// startAnnounced starts a part that says where it listens, {"msg":"listening","<field>":"127.0.0.1:41003"}, and ends when
// its stdin is closed.
func (s *stack) startAnnounced(ctx context.Context, field string, c command) (string, error) {
	c.holdStdin, c.announces, c.logDir = true, true, s.spec.LogDir
	p, err := c.start(s.ledger)
	if err != nil {
		return "", err
	}
	if err := s.adopt(c.part, p); err != nil {
		return "", errors.Join(err, p.Kill())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, databaseLimit, fmt.Errorf("%v are over", databaseLimit))
	defer cancel()
	line, err := p.announced(ctx)
	if err != nil {
		return "", err
	}
	var said map[string]string
	if err := json.Unmarshal(line, &said); err != nil || said["msg"] != "listening" {
		return "", fmt.Errorf("%s: its first line is %.200q", c.part, line)
	}
	if err := requireLoopback(said[field]); err != nil {
		return "", fmt.Errorf("%s: %w", c.part, err)
	}
	return said[field], nil
}

// miniredisVersion is " 2.40.0", or nothing in a build that does not know.
func miniredisVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/alicebob/miniredis/v2" {
			return " " + m.Version
		}
	}
	return ""
}
