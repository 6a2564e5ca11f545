package testbed

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/go-sql-driver/mysql"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	goredis "github.com/redis/go-redis/v9"
)

// The containers testbed: MariaDB and both Redis in containers that listen on 127.0.0.1 only, the service in a container
// made of nothing but its executable, held to its CPUs and memory.

func startContainers(ctx context.Context, spec Spec) (Stack, error) {
	binary, err := spec.binary()
	if err != nil {
		return nil, err
	}
	if err := requireStatic(binary); err != nil {
		return nil, fmt.Errorf("containers testbed: %w", err)
	}
	e, err := openEngine(ctx)
	if err != nil {
		return nil, fmt.Errorf("containers testbed: %w", err)
	}
	s, err := newStack(Containers, spec)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("containers testbed: %w", err), e.Close())
	}
	s.undo = append(s.undo,
		func(context.Context) error { return e.Close() },
		func(ctx context.Context) error { return e.removeAll(ctx, s.ledger) },
	)
	if err := s.startContainerParts(ctx, e, binary); err != nil {
		return nil, s.abandon(ctx, fmt.Errorf("containers testbed: %w", err))
	}
	return s, nil
}

// removeAll removes what still carries the stack's label: parts that were killed, or whose start went wrong half-way.
func (e *engine) removeAll(ctx context.Context, l *ledger) error {
	mine := client.Filters{}.Add("label", labelStack+"="+l.path)
	found, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
	if err != nil {
		return fmt.Errorf("containers: %w", err)
	}
	var failed []error
	for _, c := range found.Items {
		told := endTurn(ctx)
		_, err := e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		told()
		if err != nil && !cerrdefs.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("container %s: %w", c.ID, err))
		}
	}
	return errors.Join(failed...)
}

func (s *stack) startContainerParts(ctx context.Context, e *engine, binary string) error {
	e.useFor()
	names, err := e.images(ctx)
	if err != nil {
		return err
	}
	var serviceImage string
	s.swap = func(ctx context.Context, program string) error {
		binary, err := Spec{Binary: program}.binary()
		if err == nil {
			err = requireStatic(binary)
		}
		if err == nil {
			serviceImage, err = e.serviceImage(ctx, binary)
		}
		if err != nil {
			return fmt.Errorf("image of the service: %w", err)
		}
		return nil
	}
	if err := s.Serve(ctx, binary, nil); err != nil {
		return err
	}
	s.launch = func(ctx context.Context, spec ServiceSpec) (Instance, error) {
		return s.launchContainer(ctx, e, serviceImage, spec)
	}
	if s.cache, err = s.startRedisContainer(ctx, e, PartCache, names.redis); err != nil {
		return err
	}
	if s.queue, err = s.startRedisContainer(ctx, e, PartQueue, names.redis); err != nil {
		return err
	}
	if err := s.startDatabaseContainer(ctx, e, names.mariadb); err != nil {
		return err
	}
	if s.spec.Replica {
		if err := s.startReplicaContainer(ctx, e, names.mariadb); err != nil {
			return err
		}
	}
	database, err := s.admin.version(ctx)
	if err != nil {
		return err
	}
	version, err := redisInfo(ctx, s.cache, "redis_version")
	s.engine = database + ", Redis " + version
	return err
}

// runContainer starts a container of the testbed's own with testcontainers and takes it over: its log, its end.
//
// It has the host's network and listens on 127.0.0.1 itself, as args tell it to. A port that the engine publishes is a second program
// that copies every byte, which took more than half of the database's own processor time where it was looked at.
func (s *stack) runContainer(ctx context.Context, e *engine, part Part, image string, env map[string]string, args ...string) (*box, error) {
	c, err := testcontainers.Run(ctx, image,
		testcontainers.WithName(s.containerName(part)),
		testcontainers.WithLabels(map[string]string{labelStack: s.ledger.path}),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			h.NetworkMode = "host"
			s.spec.Held.ground().seat(&h.Resources)
		}),
		testcontainers.WithEnv(env),
		testcontainers.WithCmd(args...),
		// Readiness is an answer, and is waited for by the caller: a line in a log differs between images and stays from an earlier start.
		testcontainers.WithWaitStrategy(wait.ForNop(func(context.Context, wait.StrategyTarget) error { return nil })),
	)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", part, err)
	}
	return s.adoptContainer(ctx, e, part, c.GetContainerID(), time.Time{})
}

func (s *stack) containerName(part Part) string {
	return folderPrefix + s.ledger.id + "-" + string(part) + "-" + randomHex(2)
}

// adoptContainer takes over a container that has been started. What it said before since stays out of the log.
func (s *stack) adoptContainer(ctx context.Context, e *engine, part Part, id string, since time.Time) (*box, error) {
	b := newBox(e, part, id, s.spec.LogDir)
	options := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true}
	if !since.IsZero() {
		options.Since = since.Format(time.RFC3339Nano)
	}
	output, err := e.ContainerLogs(context.WithoutCancel(ctx), id, options)
	if err != nil {
		return nil, fmt.Errorf("%s: log: %w", part, err)
	}
	if err := b.keepLog(output, nil); err != nil {
		return nil, fmt.Errorf("%s: log: %w", part, err)
	}
	b.await()
	return b, s.adopt(part, b)
}

// alive is the error of a container that has ended, marked if it ended because its port was taken.
func (b *box) alive() error {
	if !b.gone() {
		return nil
	}
	return clash(errors.Join(b.Err(), errors.New("its container has ended")))
}

func (s *stack) startRedisContainer(ctx context.Context, e *engine, part Part, image string) (addr string, err error) {
	err = withFreePort(func(port int) error {
		addr = loopback(port)
		// A name that is this one's alone: another program may have taken the port, and be a Redis too.
		name := randomHex(8) + ".rdb"
		b, err := s.runContainer(ctx, e, part, image, nil,
			"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--protected-mode", "no",
			"--save", "", "--appendonly", "no", "--dbfilename", name)
		if err != nil {
			return err
		}
		err = poll(ctx, redisLimit, 5*time.Millisecond, func() error {
			if b.gone() {
				return nil
			}
			if err := dials(ctx, addr); err != nil {
				return err
			}
			return withRedis(addr, func(c *goredis.Client) error {
				found, err := c.ConfigGet(ctx, "dbfilename").Result()
				if err == nil && found["dbfilename"] != name {
					err = fmt.Errorf("%s is answered by another Redis: %w", addr, errPortTaken)
				}
				return err
			})
		})
		if err = cmp.Or(b.alive(), err); err != nil {
			return errors.Join(fmt.Errorf("%s does not answer at %s: %w", part, addr, err), b.Kill())
		}
		return nil
	})
	return addr, err
}

func (s *stack) startDatabaseContainer(ctx context.Context, e *engine, image string) error {
	return withFreePort(func(port int) error {
		b, admin, err := s.runDatabase(ctx, e, PartMySQL, image, port, append([]string{
			"--max-connections=" + strconv.Itoa(s.spec.connections()), "--innodb-flush-log-at-trx-commit=1",
			"--character-set-server=utf8mb4", "--default-time-zone=+00:00", "--skip-name-resolve",
		}, s.spec.logging()...))
		if err != nil {
			return err
		}
		if s.admin, s.dsn, err = openDatabase(ctx, admin, loopback(port), b.alive); err != nil {
			return errors.Join(err, b.Kill())
		}
		return nil
	})
}

// runDatabase starts a database in a container, and returns its administrator when it answers him.
func (s *stack) runDatabase(ctx context.Context, e *engine, part Part, image string, port int, args []string) (*box, *mysql.Config, error) {
	admin := mysql.NewConfig()
	admin.User, admin.Passwd, admin.Net, admin.Addr = "root", randomHex(8), "tcp", loopback(port)
	b, err := s.runContainer(ctx, e, part, image, map[string]string{"MARIADB_ROOT_PASSWORD": admin.Passwd},
		append(args, "--bind-address=127.0.0.1", "--port="+strconv.Itoa(port))...)
	if err != nil {
		return nil, nil, err
	}
	if err := lockUp(ctx, admin, b.alive); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s does not answer: %w", part, err), b.Kill())
	}
	return b, admin, nil
}

// lockUp waits until an image's database answers, and sees to it that its administrator needs the password. Debian's tables
// have a root for 127.0.0.1 itself who needs none, beside the one whom the image gives a password; on the host's network it
// is that one who logs in.
func lockUp(ctx context.Context, admin *mysql.Config, alive func() error) error {
	open := admin.Clone()
	open.Passwd, open.Logger = "", &mysql.NopLogger{}
	connector, err := mysql.NewConnector(open)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(ctx, databaseLimit)
	defer cancel()
	var gone error
	return poll(ctx, databaseLimit, 10*time.Millisecond, func() error {
		if gone = alive(); gone != nil {
			cancel()
			return gone
		}
		err := answered(ctx, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '"+admin.Passwd+"'")
			return err
		})
		if denied := (*mysql.MySQLError)(nil); errors.As(err, &denied) && denied.Number == errAccessDenied {
			return nil // another image: there is no such root, or he has his password
		}
		return err
	})
}

// errAccessDenied is MySQL's number for a login that was refused.
const errAccessDenied = 1045

// launchContainer starts a service in a container.
//
// It has the host's network: the service, the databases and the simulator's upstreams all meet on
// 127.0.0.1. With a network of its own the service could reach the simulator only through the bridge's address on the
// host, so the simulator would have to listen outside loopback and the load would leave it.
func (s *stack) launchContainer(ctx context.Context, e *engine, image string, spec ServiceSpec) (Instance, error) {
	part := Part(spec.Name)
	env := spec.environment()
	if spec.MemoryMiB > 0 {
		// A tenth stays free below the wall for what the garbage collector does not count.
		env[len(env)-1] = "GOMEMLIMIT=" + strconv.Itoa(max(1, spec.MemoryMiB*9/10)) + "MiB"
	}
	resources := container.Resources{
		NanoCPUs: int64(spec.CPUs * 1e9),
		Memory:   int64(spec.MemoryMiB) << 20,
		// As much again in swap would make the wall a slope.
		MemorySwap: int64(spec.MemoryMiB) << 20,
	}
	s.spec.Held.service(spec).seat(&resources)
	created, err := e.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: s.containerName(part),
		Config: &container.Config{
			Image: image, Cmd: spec.arguments(), Env: env, User: "65534:65534",
			Labels:    map[string]string{labelStack: s.ledger.path},
			OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		},
		HostConfig: &container.HostConfig{
			NetworkMode:    "host",
			ReadonlyRootfs: true,
			Tmpfs:          map[string]string{"/tmp": ""},
			CapDrop:        []string{"ALL"},
			SecurityOpt:    []string{"no-new-privileges"},
			LogConfig:      container.LogConfig{Type: "none"}, // we are attached; a second copy would cost the engine CPU
			Resources:      resources,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", part, err)
	}
	b := newBox(e, part, created.ID, s.spec.LogDir)
	if err := b.run(ctx, spec.Config); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineLimit)
		defer cancel()
		_, remove := e.ContainerRemove(ctx, created.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		return nil, errors.Join(fmt.Errorf("service %s: %w", part, err), remove)
	}
	return b, nil
}

// run starts a created service, feeds it its config, and returns when it listens.
func (b *box) run(ctx context.Context, config []byte) error {
	attached, err := b.engine.ContainerAttach(context.WithoutCancel(ctx), b.id, client.ContainerAttachOptions{
		Stream: true, Stdin: true, Stdout: true, Stderr: true,
	})
	if err != nil {
		return err
	}
	first := make(chan []byte, 1)
	if err := b.keepLog(output{attached.HijackedResponse}, first); err != nil {
		return err
	}
	if _, err := b.engine.ContainerStart(ctx, b.id, client.ContainerStartOptions{}); err != nil {
		attached.Close()
		return err
	}
	b.await()
	if _, err := attached.Conn.Write(config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := attached.CloseWrite(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	var line []byte
	select {
	case l, ok := <-first:
		if !ok {
			select {
			case <-b.exited:
				return errors.Join(b.Err(), ifNil(b.Err(), "ended; see "+b.log))
			case <-ctx.Done():
				return fmt.Errorf("closed its stdout without having said that it listens; see %s", b.log)
			}
		}
		line = l
	case <-ctx.Done():
		return fmt.Errorf("does not say that it listens: %w%s; see %s", context.Cause(ctx), lastWords(b.log), b.log)
	}
	if b.public, b.internal, err = readListening(line); err != nil {
		return err
	}
	// It says so in its own network: make sure that this is ours.
	c, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", b.internal[len("http://"):])
	if err != nil {
		return fmt.Errorf("listens, but not on this machine's loopback: the engine's host network is another: %w", err)
	}
	return c.Close()
}

func ifNil(err error, text string) error {
	if err != nil {
		return nil
	}
	return errors.New(text)
}

// output is what an attached container prints.
type output struct{ client.HijackedResponse }

func (o output) Read(p []byte) (int, error) { return o.Reader.Read(p) }
func (o output) Close() error               { return o.Conn.Close() }
