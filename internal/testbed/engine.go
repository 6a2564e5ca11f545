package testbed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go/log"
)

// Images of the containers testbed: those that `make images` builds from Debian packages, and the public ones in their
// place where a registry has them. The variables name others.
const (
	mariadbImage       = "lunchrush/mariadb:10.11-bookworm"
	redisImage         = "lunchrush/redis:7.0-bookworm"
	publicMariadbImage = "mariadb:10.11"
	publicRedisImage   = "redis:7.2"

	mariadbImageVariable = "LUNCHRUSH_MARIADB_IMAGE"
	redisImageVariable   = "LUNCHRUSH_REDIS_IMAGE"
)

// engineLimit is how long an engine may think about questions that it answers in milliseconds. Tests change it.
var engineLimit = 5 * time.Second

// deaf holds the hosts that took a connection and did not answer within engineLimit, and when. Until deafFor has passed none is asked
// again: one that has locked itself up stays so, and one that was only slow has its chance.
var deaf sync.Map // host -> time.Time

// deafFor is changed by tests.
var deafFor = time.Minute

// An engine is a container engine on this machine.
type engine struct {
	*client.Client
	host string
}

// openEngine finds the engine and makes sure that it is on this machine: what it publishes must be on our loopback.
func openEngine(ctx context.Context) (*engine, error) {
	host, err := engineHost()
	if err != nil {
		return nil, err
	}
	if at, ok := deaf.Load(host); ok && time.Since(at.(time.Time)) < deafFor { //nolint:forcetypeassert // stored below
		return nil, notAnswering(host)
	}
	cli, err := client.New(client.WithHost(host), client.WithTLSClientConfigFromEnv(), client.WithAPIVersionFromEnv())
	if err != nil {
		return nil, fmt.Errorf("engine at %s: %w", host, err)
	}
	limited, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	info, err := cli.Info(limited, client.InfoOptions{})
	if err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			deaf.Store(host, time.Now())
			return nil, errors.Join(notAnswering(host), cli.Close())
		}
		return nil, errors.Join(fmt.Errorf("no engine answers at %s: %w", host, dialError(err)), cli.Close())
	}
	switch i := info.Info; {
	case i.OSType != "linux":
		err = fmt.Errorf("the engine at %s runs %s containers", host, i.OSType)
	case strings.Contains(i.OperatingSystem, "Docker Desktop"):
		err = fmt.Errorf("the engine at %s runs in a virtual machine: its host network is not this machine's loopback", host)
	case strings.Contains(strings.Join(i.SecurityOptions, " "), "name=rootless"):
		err = fmt.Errorf("the engine at %s is rootless: its host network is not this machine's loopback", host)
	}
	if err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	return &engine{Client: cli, host: host}, nil
}

func notAnswering(host string) error {
	return fmt.Errorf("the engine at %s takes connections and does not answer within %v; one older than 20.10.27 may have locked itself up (moby/moby#42545), and must be started again", host, engineLimit)
}

// engineHost is DOCKER_HOST, or the first usual socket that exists. Only a socket proves an engine on this machine.
func engineHost() (string, error) {
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		if !strings.HasPrefix(host, "unix://") {
			return "", fmt.Errorf("DOCKER_HOST is %s: an engine behind a network address is not taken, load stays on this machine", host)
		}
		return host, nil
	}
	sockets := []string{"/var/run/docker.sock"}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		sockets = append(sockets, filepath.Join(dir, "docker.sock"))
	}
	for _, socket := range sockets {
		if info, err := os.Stat(socket); err == nil && info.Mode().Type() == fs.ModeSocket {
			return "unix://" + socket, nil
		}
	}
	return "", fmt.Errorf("no engine: no socket at %s, and DOCKER_HOST is not set", strings.Join(sockets, " or "))
}

// settings tells testcontainers, which reads them from the environment once, about this engine.
var settings = sync.OnceFunc(func() {
	log.SetDefault(log.NewNoopLogger()) // its banner would be the first line of every run
	// Where /.dockerenv exists testcontainers believes that it runs inside a container and dials the default gateway.
	_ = os.Setenv("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
	// Its reaper publishes a port on every interface and wants the engine's socket; the ledger does the reaper's work.
	if os.Getenv("TESTCONTAINERS_RYUK_DISABLED") == "" {
		_ = os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	}
})

// useFor makes testcontainers use this engine.
func (e *engine) useFor() {
	settings()
	if os.Getenv("DOCKER_HOST") == "" {
		_ = os.Setenv("DOCKER_HOST", e.host)
	}
}

// images are the names of the images to run.
type images struct{ mariadb, redis string }

func (e *engine) images(ctx context.Context) (images, error) {
	db, err := e.image(ctx, mariadbImageVariable, mariadbImage, publicMariadbImage)
	if err != nil {
		return images{}, err
	}
	redis, err := e.image(ctx, redisImageVariable, redisImage, publicRedisImage)
	return images{db, redis}, err
}

// image returns the first image that is present, else the last one if a registry has it. Without a registry this takes
// milliseconds.
func (e *engine) image(ctx context.Context, variable string, names ...string) (string, error) {
	if name := os.Getenv(variable); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if _, err := e.ImageInspect(ctx, name); err == nil {
			return name, nil
		} else if !cerrdefs.IsNotFound(err) {
			return "", fmt.Errorf("image %s: %w", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	last := names[len(names)-1]
	if _, err := e.DistributionInspect(ctx, last, client.DistributionInspectOptions{}); err != nil {
		absent := names[0] + " is absent, and " + last
		if len(names) == 1 {
			absent = last + " is absent and"
		}
		return "", fmt.Errorf("image %s cannot be pulled: %w", absent, plain(err))
	}
	return last, nil
}

// dialError is the heart of an error of the engine's client, which wraps it in advice.
func dialError(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// plain is the first line of an engine's answer, without its salutation.
func plain(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(strings.TrimPrefix(line, "Error response from daemon: "))
}

func probeContainers(ctx context.Context) error {
	e, err := openEngine(ctx)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 2*engineLimit) // a registry may take half of it to be out of reach
	defer cancel()
	_, err = e.images(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("the engine at %s answers, but not within %v when asked for its images", e.host, 2*engineLimit)
	}
	return errors.Join(err, e.Close())
}

// sweepContainers removes the containers of stacks whose ledger is gone. ledgers is this user's ledger folder.
func (s *Sweep) sweepContainers(ctx context.Context, ledgers string) error {
	if _, err := engineHost(); err != nil {
		return nil // no engine, no containers
	}
	e, err := openEngine(ctx)
	if err != nil {
		s.Notes = append(s.Notes, fmt.Sprintf("containers were not looked at: %v", err))
		return nil
	}
	defer func() { _ = e.Close() }()
	listing, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	found, err := e.ContainerList(listing, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", labelStack)})
	if err != nil {
		return fmt.Errorf("containers: %w", err)
	}
	var failed []error
	for _, c := range found.Items {
		name := strings.TrimPrefix(cmp.Or(append(c.Names, c.ID)...), "/")
		owner := c.Labels[labelStack]
		if filepath.Dir(owner) != ledgers {
			s.Notes = append(s.Notes, fmt.Sprintf("container %s belongs to another user or cache folder (%s), left alone", name, owner))
			continue
		}
		if _, err := os.Stat(owner); err == nil {
			continue // its harness is alive, or its ledger could not be swept
		}
		told := endTurn(ctx)
		_, err := e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		told()
		if err != nil && !cerrdefs.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("container %s: %w", name, err))
			continue
		}
		s.Containers = append(s.Containers, name)
	}
	return errors.Join(failed...)
}
