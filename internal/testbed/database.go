package testbed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
)

// The run's database, and one beside it that outlasts the run; the service's user is the owner of both and nobody elsewhere.
const (
	databaseName = "lunchrush"
	archiveName  = "lunchrush_archive"
)

// sessionsLimit is how long the sessions that a run has left may take to end once they are told to.
const sessionsLimit = 30 * time.Second

// tryLimit is for one try to reach an engine that may not be up yet; it answers in milliseconds when it is. Tests change it.
var tryLimit = 5 * time.Second

// A database is the harness's own way in, as the engine's administrator: MariaDB keeps one connection for it when the
// service has taken all the others.
type database struct {
	admin *mysql.Config
	db    *sql.DB
	user  string
}

// openDatabase waits until the engine answers, then makes an empty database, an archive, and a user who may do everything in them and
// nothing else: a user with more would take the connection that is kept for the administrator, and error 1040 would come
// one connection late. alive says why there is no point in waiting any longer.
func openDatabase(ctx context.Context, admin *mysql.Config, addr string, alive func() error) (database, string, error) {
	admin = admin.Clone()
	admin.Logger = &mysql.NopLogger{} // refused connections are normal until it is up
	admin.Timeout = 5 * time.Second
	connector, err := mysql.NewConnector(admin)
	if err != nil {
		return database{}, "", err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	ctx, cancel := context.WithTimeout(ctx, databaseLimit)
	defer cancel()
	var gone error
	err = poll(ctx, databaseLimit, 10*time.Millisecond, func() error {
		if gone = alive(); gone != nil {
			cancel()
			return gone
		}
		return answered(ctx, db.PingContext)
	})
	if err != nil {
		return database{}, "", fmt.Errorf("database does not answer: %w", errors.Join(err, db.Close()))
	}
	d := database{admin: admin, db: db, user: "lunchrush"}
	password := randomHex(8)
	statements := append([]string{
		"CREATE USER '" + d.user + "'@'%' IDENTIFIED BY '" + password + "'",
		"GRANT ALL PRIVILEGES ON " + databaseName + ".* TO '" + d.user + "'@'%'",
		"GRANT ALL PRIVILEGES ON " + archiveName + ".* TO '" + d.user + "'@'%'",
		"CREATE DATABASE " + archiveName + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	}, emptying()...)
	for _, q := range statements {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return database{}, "", fmt.Errorf("database: %w", errors.Join(err, db.Close()))
		}
	}
	dsn := mysql.NewConfig()
	dsn.User, dsn.Passwd, dsn.DBName = d.user, password, databaseName
	dsn.Net, dsn.Addr = "tcp", addr
	dsn.ParseTime = true
	dsn.Loc = time.UTC
	dsn.Params = map[string]string{"charset": "utf8mb4"}
	return d, dsn.FormatDSN(), nil
}

// answered asks for no longer than tryLimit: another program may have taken the port, and be silent.
func answered(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	return ask(ctx)
}

func emptying() []string {
	return []string{
		"DROP DATABASE IF EXISTS " + databaseName,
		"CREATE DATABASE " + databaseName + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	}
}

// endSessions ends what processes that are gone have left running. A server notices that its client is gone when it has an
// answer for it: a look-up that reads millions of rows would go on into the next run, and hold its locks on the archive.
func (d database) endSessions(ctx context.Context) error {
	err := poll(ctx, sessionsLimit, 20*time.Millisecond, func() error {
		ids, err := d.sessions(ctx)
		for _, id := range ids {
			_, _ = d.db.ExecContext(ctx, fmt.Sprintf("KILL %d", id)) // it may have ended by itself; whether it has is asked again
		}
		if err == nil && len(ids) > 0 {
			err = fmt.Errorf("%d sessions of the last run are still there", len(ids))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("ending sessions: %w", err)
	}
	return nil
}

// sessions are the connections of the service's user.
func (d database) sessions(ctx context.Context) (ids []int64, err error) {
	rows, err := d.db.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE user = ?", d.user)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (d database) empty(ctx context.Context) error {
	for _, q := range emptying() {
		if _, err := d.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("emptying the database: %w", err)
		}
	}
	return nil
}

func (d database) close() error {
	if d.db == nil {
		return nil
	}
	return d.db.Close()
}

// version is what the engine calls itself: "MariaDB 10.11.19", "MySQL 8.0.40".
func (d database) version(ctx context.Context) (string, error) {
	var v string
	if err := d.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&v); err != nil {
		return "", fmt.Errorf("database version: %w", err)
	}
	return engineName(v), nil
}

// engineName turns "10.11.19-MariaDB-0+deb12u1" into "MariaDB 10.11.19", "8.0.11-TiDB-v8.5.4" into "TiDB v8.5.4".
func engineName(version string) string {
	number, rest, _ := strings.Cut(version, "-")
	switch {
	case strings.HasPrefix(rest, "MariaDB"):
		return "MariaDB " + number
	case strings.HasPrefix(rest, "TiDB-"):
		return "TiDB " + strings.TrimPrefix(rest, "TiDB-")
	}
	return "MySQL " + number
}

// dials reports whether something listens. The Redis client logs each refused connection to stderr, which is normal until
// a server is up, and has a logger for the whole process only: it is not asked before.
func dials(ctx context.Context, addr string) error {
	c, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}

// withRedis lends a client for one use.
func withRedis(addr string, use func(*redis.Client) error) error {
	c := redis.NewClient(&redis.Options{
		Addr: addr, DialTimeout: 2 * time.Second, MaxRetries: -1, DisableIdentity: true, Protocol: 2,
	})
	return errors.Join(use(c), c.Close())
}

// redisInfo reads a field of INFO server: redis_version, process_id.
func redisInfo(ctx context.Context, addr, field string) (string, error) {
	var value string
	err := withRedis(addr, func(c *redis.Client) error {
		info, err := c.Info(ctx, "server").Result()
		if err != nil {
			return err
		}
		for line := range strings.Lines(info) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
				value = v
			}
		}
		return nil
	})
	return value, err
}
