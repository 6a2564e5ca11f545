package testbed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/moby/moby/client"
	"github.com/redis/go-redis/v9"
)

// A Restarter is a [Stack] whose own parts, databases and Redis, can be started again after their end. Every stack is one.
type Restarter interface {
	// Keeps reports whether a part still has, after its end, what it should have on its disk. The embedded database has
	// nothing: not even its users.
	Keeps(name Part) bool
	// Halt ends one of them in an orderly way and keeps what it needs to be started again; Stop would not.
	Halt(ctx context.Context, name Part) error
	// Restart starts one of PartMySQL, PartCache, PartQueue again after its end, on what its disk has kept, and returns
	// when it answers. It may listen elsewhere then: addr is where, and the stack's own addresses say the same.
	Restart(ctx context.Context, name Part) (i Instance, addr string, err error)
}

// An Administrator is a [Stack] that lends its own way into the database. Every stack is one.
type Administrator interface {
	// AdminDSN is the run's database as the engine's administrator sees it. The service must never get it.
	AdminDSN() string
}

func (s *stack) AdminDSN() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.admin.admin.Clone()
	c.DBName = databaseName
	return c.FormatDSN()
}

func (s *stack) Keeps(name Part) bool {
	return name != PartReplica && (s.name != Embedded || name != PartMySQL)
}

func (s *stack) Halt(ctx context.Context, name Part) error {
	i := s.Part(name)
	if i == nil || !name.underService() {
		return fmt.Errorf("%s: no part of the testbed's own", name)
	}
	if b, ok := i.(*box); ok {
		return b.halt(ctx)
	}
	return i.Stop(ctx)
}

// halt is Stop without the removal.
func (b *box) halt(ctx context.Context) error {
	if b.gone() {
		return nil
	}
	killed, err := b.stop(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", b.part, err)
	}
	select {
	case <-b.exited:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", b.part, context.Cause(ctx))
	}
	if killed {
		return &Killed{Part: string(b.part), Log: b.log}
	}
	return nil
}

func (s *stack) Restart(ctx context.Context, name Part) (Instance, string, error) {
	old := s.Part(name)
	if old == nil || !name.underService() {
		return nil, "", fmt.Errorf("%s: no part of the testbed's own", name)
	}
	if !s.Keeps(name) {
		return nil, "", fmt.Errorf("%s: the %s testbed keeps nothing of it", name, s.name)
	}
	select {
	case <-old.Exited():
	default:
		return nil, "", fmt.Errorf("%s: runs still; end it first", name)
	}
	ctx, cancel := context.WithTimeout(ctx, databaseLimit)
	defer cancel()
	var addr string
	var err error
	switch old := old.(type) {
	case *process:
		addr, err = s.restartProcess(ctx, old)
	case *box:
		addr, err = s.restartContainer(ctx, old)
	default:
		err = errors.New("cannot be started again")
	}
	if err == nil {
		s.moved(name, addr)
		err = s.answering(ctx, name)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: starting it again: %w", name, err)
	}
	return s.Part(name), addr, nil
}

// restartProcess runs the same command again: on its old port, if it was told one.
func (s *stack) restartProcess(ctx context.Context, old *process) (addr string, err error) {
	old.release()
	field := map[Part]string{PartMySQL: "mysql", PartCache: "redis", PartQueue: "redis"}[old.part]
	if old.announces {
		return s.startAnnounced(ctx, field, old.command)
	}
	p, err := old.start(s.ledger)
	if err != nil {
		return "", err
	}
	if err := s.adopt(old.part, p); err != nil {
		return "", errors.Join(err, p.Kill())
	}
	return s.address(old.part)
}

// restartContainer starts the container again: on its old port.
func (s *stack) restartContainer(ctx context.Context, old *box) (addr string, err error) {
	now := time.Now() // the engine has kept what the container said in its earlier lives, which the log has
	if _, err := old.engine.ContainerStart(ctx, old.id, client.ContainerStartOptions{}); err != nil {
		return "", err
	}
	if _, err := s.adoptContainer(ctx, old.engine, old.part, old.id, now); err != nil {
		return "", err
	}
	return s.address(old.part)
}

// address is where a part listened last.
func (s *stack) address(name Part) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch name {
	case PartCache:
		return s.cache, nil
	case PartQueue:
		return s.queue, nil
	default:
		dsn, err := mysql.ParseDSN(s.dsn)
		if err != nil {
			return "", err
		}
		return dsn.Addr, nil
	}
}

// moved notes where a part listens now: a database stays where it was.
func (s *stack) moved(name Part, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch name {
	case PartCache:
		s.cache = addr
	case PartQueue:
		s.queue = addr
	default:
	}
}

// answering waits until the part answers, or has ended again.
func (s *stack) answering(ctx context.Context, name Part) error {
	i := s.Part(name)
	addr, err := s.address(name)
	if err != nil {
		return err
	}
	ended := func() bool {
		select {
		case <-i.Exited():
			return true
		default:
			return false
		}
	}
	err = poll(ctx, databaseLimit, 10*time.Millisecond, func() error {
		if ended() {
			return nil
		}
		if name == PartMySQL {
			return s.admin.db.PingContext(ctx)
		}
		if err := dials(ctx, addr); err != nil {
			return err
		}
		return withRedis(addr, func(c *redis.Client) error { return c.Ping(ctx).Err() })
	})
	if ended() {
		return errors.Join(i.Err(), errors.New("it has ended again"))
	}
	return err
}
