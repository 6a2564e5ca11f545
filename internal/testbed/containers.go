package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/go-sql-driver/mysql"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/mariadb"
	"github.com/testcontainers/testcontainers-go/modules/redis"
	"github.com/testcontainers/testcontainers-go/wait"

	goredis "github.com/redis/go-redis/v9"
)

// The containers testbed: MariaDB and both Redis in containers that publish on 127.0.0.1 only, the service in a container
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
		_, err := e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
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

// customizers are what every container of the testbed has.
func (s *stack) customizers(part Part, port network.Port, hostPort int) []testcontainers.ContainerCustomizer {
	return []testcontainers.ContainerCustomizer{
		testcontainers.WithName(s.containerName(part)),
		testcontainers.WithLabels(map[string]string{labelStack: s.ledger.path}),
		testcontainers.WithExposedPorts(port.String()),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			// The engine would publish on every interface of the machine, and on a port that somebody's outgoing
			// connection may hold: it takes them one after the other from the range of those.
			s.spec.Held.ground().seat(&h.Resources)
			h.PortBindings = network.PortMap{port: {{
				HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(hostPort),
			}}}
		}),
		// Readiness is an answer, and is waited for here: a line in a log differs between images and stays from an
		// earlier start, and testcontainers' own waits dial before the address has been looked at.
		testcontainers.WithWaitStrategy(wait.ForNop(func(context.Context, wait.StrategyTarget) error { return nil })),
	}
}

func (s *stack) containerName(part Part) string {
	return folderPrefix + s.ledger.id + "-" + string(part) + "-" + randomHex(2)
}

func (s *stack) startRedisContainer(ctx context.Context, e *engine, part Part, image string) (string, error) {
	port := network.MustParsePort("6379/tcp")
	var c *redis.RedisContainer
	err := withFreePort(func(hostPort int) (err error) {
		c, err = redis.Run(ctx, image, append(s.customizers(part, port, hostPort),
			testcontainers.WithCmd("--save", "", "--appendonly", "no", "--protected-mode", "no"))...)
		return clash(err)
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", part, err)
	}
	b, addr, err := s.adoptContainer(ctx, e, part, c.GetContainerID(), port)
	if err != nil {
		return "", err
	}
	err = poll(ctx, redisLimit, 5*time.Millisecond, func() error {
		if b.gone() {
			return nil
		}
		if err := dials(ctx, addr); err != nil {
			return err
		}
		return withRedis(addr, func(c *goredis.Client) error { return c.Ping(ctx).Err() })
	})
	if b.gone() {
		err = b.Err()
	}
	if err != nil {
		return "", fmt.Errorf("%s does not answer at %s: %w", part, addr, err)
	}
	return addr, nil
}

func (s *stack) startDatabaseContainer(ctx context.Context, e *engine, image string) error {
	port := network.MustParsePort("3306/tcp")
	password := randomHex(8)
	var c *mariadb.MariaDBContainer
	err := withFreePort(func(hostPort int) (err error) {
		c, err = mariadb.Run(ctx, image, append(s.customizers(PartMySQL, port, hostPort),
			testcontainers.WithEnv(map[string]string{"MARIADB_USER": "root", "MARIADB_PASSWORD": password, "MARIADB_DATABASE": ""}),
			testcontainers.WithCmd(append([]string{
				"--max-connections=" + strconv.Itoa(s.spec.connections()), "--innodb-flush-log-at-trx-commit=1",
				"--character-set-server=utf8mb4", "--default-time-zone=+00:00", "--skip-name-resolve",
			}, s.spec.logging()...)...),
			// The module exposes a second port, which mariadbd does not even listen on: what is exposed is published.
			testcontainers.CustomizeRequestOption(func(r *testcontainers.GenericContainerRequest) error {
				r.ExposedPorts = []string{port.String()}
				return nil
			}),
		)...)
		return clash(err)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", PartMySQL, err)
	}
	b, addr, err := s.adoptContainer(ctx, e, PartMySQL, c.GetContainerID(), port)
	if err != nil {
		return err
	}
	admin := mysql.NewConfig()
	admin.User, admin.Passwd, admin.Net, admin.Addr = "root", password, "tcp", addr
	s.admin, s.dsn, err = openDatabase(ctx, admin, addr, func() error {
		if !b.gone() {
			return nil
		}
		return errors.Join(b.Err(), errors.New("its container has ended"))
	})
	return err
}

// adoptContainer takes over a container that testcontainers has started: its log, its end, its address. An address that
// is not loopback is refused before anybody dials it.
func (s *stack) adoptContainer(ctx context.Context, e *engine, part Part, id string, port network.Port) (*box, string, error) {
	b, err := s.adoptRunning(ctx, e, part, id)
	if err != nil {
		return nil, "", err
	}
	r, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", part, err)
	}
	var bound []network.PortBinding
	if r.Container.NetworkSettings != nil {
		bound = r.Container.NetworkSettings.Ports[port]
	}
	if len(bound) == 0 {
		if b.gone() {
			return nil, "", b.Err()
		}
		return nil, "", fmt.Errorf("%s: port %s is not published", part, port)
	}
	for _, p := range bound {
		if err := requireLoopback(net.JoinHostPort(p.HostIP.String(), p.HostPort)); err != nil {
			return nil, "", fmt.Errorf("%s: %w", part, err)
		}
	}
	return b, net.JoinHostPort(bound[0].HostIP.String(), bound[0].HostPort), nil
}

// launchContainer starts a service in a container.
//
// It has the host's network: the service, the databases' published ports and the simulator's upstreams all meet on
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
