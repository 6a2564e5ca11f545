package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The local testbed: a private mariadbd (or mysqld) and two redis-server as child processes.

// Limits of a start; measured on two busy cores: 0.6 s for the first start of a database, 0.1 s for Redis.
const (
	databaseLimit = 60 * time.Second
	redisLimit    = 20 * time.Second
)

// defaultConnections is MariaDB's and MySQL's own max_connections.
const defaultConnections = 151

// programs are the executables of the local testbed.
type programs struct {
	database string // mariadbd or mysqld
	install  string // mariadb-install-db; "" for a mysqld, which makes its tables itself
	redis    string
}

// findPrograms looks on PATH, and in the sbin folders, which are not on an ordinary user's PATH.
func findPrograms() (programs, error) {
	p := programs{redis: findProgram("redis-server")}
	for _, name := range []string{"mariadbd", "mysqld"} {
		if p.database = findProgram(name); p.database != "" {
			break
		}
	}
	for _, name := range []string{"mariadb-install-db", "mysql_install_db"} {
		if p.install = findProgram(name); p.install != "" {
			break
		}
	}
	var missing []string
	if p.database == "" {
		missing = append(missing, "mariadbd or mysqld")
	} else if p.install == "" && filepath.Base(p.database) == "mariadbd" {
		missing = append(missing, "mariadb-install-db")
	}
	if p.redis == "" {
		missing = append(missing, "redis-server")
	}
	if missing != nil {
		return p, fmt.Errorf("%s not on PATH", strings.Join(missing, ", "))
	}
	return p, nil
}

func findProgram(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

func startLocal(ctx context.Context, spec Spec) (Stack, error) {
	found, err := findPrograms()
	if err != nil {
		return nil, fmt.Errorf("local testbed: %w", err)
	}
	s, err := newStack(Local, spec)
	if err != nil {
		return nil, fmt.Errorf("local testbed: %w", err)
	}
	s.launch = s.launchProcess
	if err := s.startLocalParts(ctx, found); err != nil {
		return nil, s.abandon(ctx, fmt.Errorf("local testbed: %w", err))
	}
	return s, nil
}

func (s *stack) startLocalParts(ctx context.Context, found programs) error {
	if err := s.makeFolder(); err != nil {
		return err
	}
	var err error
	if s.cache, err = s.startRedis(ctx, PartCache, found.redis); err != nil {
		return err
	}
	if s.queue, err = s.startRedis(ctx, PartQueue, found.redis); err != nil {
		return err
	}
	if err := s.startDatabase(ctx, found); err != nil {
		return err
	}
	if s.spec.Replica {
		if err := s.startReplica(ctx, found); err != nil {
			return err
		}
	}
	database, err := s.admin.version(ctx)
	if err != nil {
		return err
	}
	redis, err := redisInfo(ctx, s.cache, "redis_version")
	s.engine = database + ", Redis " + redis
	return err
}

func (s *stack) startRedis(ctx context.Context, part Part, path string) (addr string, err error) {
	dir := filepath.Join(s.folder, string(part))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	err = withFreePort(func(port int) error {
		p, err := command{
			part: part, path: path, logDir: s.spec.LogDir, place: s.spec.Held.ground(),
			args: []string{
				"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no",
				"--save", "", "--appendonly", "no",
			},
		}.start(s.ledger)
		if err != nil {
			return err
		}
		addr = loopback(port)
		pid := strconv.Itoa(p.PID())
		err = poll(ctx, redisLimit, 5*time.Millisecond, func() error {
			select {
			case <-p.exited:
				return nil
			default:
			}
			if err := dials(ctx, addr); err != nil {
				return err
			}
			// Whoever answers must be ours: another program may have taken the port.
			answered, err := redisInfo(ctx, addr, "process_id")
			if err == nil && answered != pid {
				err = fmt.Errorf("%s is answered by process %s: %w", addr, answered, errPortTaken)
			}
			return err
		})
		select {
		case <-p.exited:
			return clash(p.ended())
		default:
		}
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w; see %s", part, err, p.log), p.Kill())
		}
		return s.adopt(part, p)
	})
	return addr, err
}

func (s *stack) startDatabase(ctx context.Context, found programs) error {
	template, err := found.template(ctx, s.ledger, s.spec.LogDir)
	if err != nil {
		return fmt.Errorf("database folder: %w", err)
	}
	data := filepath.Join(s.folder, "data")
	if err := copyFolder(data, template); err != nil {
		return fmt.Errorf("database folder: %w", err)
	}
	socket := filepath.Join(s.folder, "db.sock")
	return withFreePort(func(port int) error {
		p, err := command{
			part: PartMySQL, path: found.database, logDir: s.spec.LogDir, place: s.spec.Held.ground(),
			args: append(append(asRoot(),
				"--datadir="+data, "--socket="+socket, "--pid-file="+filepath.Join(s.folder, "db.pid"),
				"--tmpdir="+s.folder, "--bind-address=127.0.0.1", "--port="+strconv.Itoa(port), "--skip-name-resolve",
				"--max-connections="+strconv.Itoa(s.spec.connections()),
				// A commit that was acknowledged survives: the default, spelt out because the audit hangs on it.
				"--innodb-flush-log-at-trx-commit=1",
				"--character-set-server=utf8mb4", "--default-time-zone=+00:00",
			), s.spec.logging()...),
		}.start(s.ledger)
		if err != nil {
			return err
		}
		admin := mysql.NewConfig()
		admin.User, admin.Net, admin.Addr = "root", "unix", socket
		s.admin, s.dsn, err = openDatabase(ctx, admin, loopback(port), func() error {
			select {
			case <-p.exited:
				return clash(p.ended())
			default:
				return nil
			}
		})
		if err != nil {
			_ = p.Kill()
			<-p.exited
			return err
		}
		return s.adopt(PartMySQL, p)
	})
}

func (s Spec) connections() int {
	if s.MaxConnections > 0 {
		return s.MaxConnections
	}
	return defaultConnections
}

// asRoot begins a database's command line: no configuration but ours, and the leave to run as root that it asks for.
func asRoot() []string {
	args := []string{"--no-defaults"}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	return args
}

// template returns a data folder with system tables, made once for each version of the database and kept in the cache:
// 0.6 s the first time, a copy after that.
func (p programs) template(ctx context.Context, l *ledger, logDir string) (string, error) {
	version, err := exec.CommandContext(ctx, p.database, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", p.database, err)
	}
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(p.database + "\n" + string(version)))
	final := filepath.Join(cache, "datadir", hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(final), folderPrefix+"new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	if err := l.add(entry{Folder: fresh}); err != nil {
		return "", err
	}
	data := filepath.Join(fresh, "data")
	if err := p.makeTables(ctx, data, fresh, filepath.Join(logDir, "mysql-install.log")); err != nil {
		return "", err
	}
	if err := os.Rename(data, final); err != nil {
		if _, there := os.Stat(final); there == nil {
			return final, nil // another run was faster
		}
		return "", err
	}
	return final, nil
}

// makeTables makes a data folder with system tables and a root who needs no password on the socket. Temporary tables are made
// in tmp, which must be nobody else's: a MariaDB that starts deletes those that it finds there, in the belief that they are its own of old.
func (p programs) makeTables(ctx context.Context, data, tmp, logPath string) error {
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	var cmd *exec.Cmd
	if strings.Contains(filepath.Base(p.database), "mariadb") || p.install != "" {
		cmd = exec.CommandContext(ctx, p.install, append(asRoot(),
			"--datadir="+data, "--tmpdir="+tmp, "--auth-root-authentication-method=normal", "--skip-test-db", "--force")...)
	} else {
		cmd = exec.CommandContext(ctx, p.database, append(asRoot(), "--datadir="+data, "--tmpdir="+tmp, "--initialize-insecure")...)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := RunTied(cmd, syscall.SIGKILL); err != nil {
		return fmt.Errorf("%s: %w%s; see %s", filepath.Base(cmd.Path), err, lastWords(logPath), logPath)
	}
	return nil
}

// copyFolder copies files and folders, and leaves holes where a file has blocks of zeros: a fresh redo log is nothing else.
func copyFolder(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.Mkdir(target, 0o700)
		case d.Type().IsRegular():
			return copySparse(target, path)
		}
		return fmt.Errorf("%s: neither a file nor a folder", path)
	})
}

func copySparse(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	block, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	var size int64
	for {
		n, readErr := io.ReadFull(in, block)
		if n > 0 && string(block[:n]) != string(zeros[:n]) {
			if _, err := out.WriteAt(block[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if errors.Is(readErr, io.EOF) || errors.Is(readErr, io.ErrUnexpectedEOF) {
			return out.Truncate(size)
		}
		if readErr != nil {
			return readErr
		}
	}
}
