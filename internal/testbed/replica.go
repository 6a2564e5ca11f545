package testbed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A replica of the database, which applies each change some time after the primary: what a read/write-split connection
// reads from. It is started only for a scenario that asks for one, and only then does the primary write a binary log.

// PartReplica is the replica, where a [Spec] asked for one. It cannot be started again.
const PartReplica Part = "mysql-replica"

// A Replicator is a [Stack] that may have a replica. Every stack is one.
type Replicator interface {
	// ReplicaAdminDSN is the replica as its administrator sees it, "" without one.
	ReplicaAdminDSN() string
	// CatchUp lets the replica apply all that the primary has written so far at once; it is as late as before then. It does
	// nothing without one.
	CatchUp(ctx context.Context) error
}

// replicaLimit bounds the wait until the replica has applied what the primary has written.
const replicaLimit = 30 * time.Second

// A replica is the harness's own way into it.
type replica struct {
	database
	dsn   string // of the service's user, whose rights read_only leaves nothing to write with
	delay time.Duration
}

// ReplicaDSN implements Stack.
func (s *stack) ReplicaDSN() string {
	if s.replica == nil {
		return ""
	}
	return s.replica.dsn
}

// ReplicaAdminDSN implements Replicator.
func (s *stack) ReplicaAdminDSN() string {
	if s.replica == nil {
		return ""
	}
	c := s.replica.admin.Clone()
	c.DBName = databaseName
	return c.FormatDSN()
}

// logging are the primary's arguments when it has a replica.
func (s Spec) logging() []string {
	if !s.Replica {
		return nil
	}
	return []string{"--server-id=1", "--log-bin=binlog", "--binlog-format=ROW"}
}

// following are the replica's arguments.
func following() []string {
	return []string{
		"--server-id=2", "--relay-log=relay", "--skip-slave-start", "--read-only=1",
		// What it has is the primary's, and is thrown away with it: nothing needs to be on its disk in time.
		"--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
		"--character-set-server=utf8mb4", "--default-time-zone=+00:00", "--skip-name-resolve",
	}
}

// startReplica starts it as a child process.
func (s *stack) startReplica(ctx context.Context, found programs) error {
	template, err := found.template(ctx, s.ledger, s.spec.LogDir)
	if err != nil {
		return fmt.Errorf("%s: %w", PartReplica, err)
	}
	data := filepath.Join(s.folder, "replica")
	if err := copyFolder(data, template); err != nil {
		return fmt.Errorf("%s: %w", PartReplica, err)
	}
	tmp := filepath.Join(s.folder, "replica-tmp") // its own: see makeTables
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return fmt.Errorf("%s: %w", PartReplica, err)
	}
	socket := filepath.Join(s.folder, "replica.sock")
	return withFreePort(func(port int) error {
		p, err := command{
			part: PartReplica, path: found.database, logDir: s.spec.LogDir, place: s.spec.Held.ground(),
			args: append(append(asRoot(),
				"--datadir="+data, "--socket="+socket, "--pid-file="+filepath.Join(s.folder, "replica.pid"),
				"--tmpdir="+tmp, "--bind-address=127.0.0.1", "--port="+strconv.Itoa(port),
			), following()...),
		}.start(s.ledger)
		if err != nil {
			return err
		}
		admin := mysql.NewConfig()
		admin.User, admin.Net, admin.Addr = "root", "unix", socket
		r, err := openReplica(ctx, admin, loopback(port), func() error {
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
		if err := s.adopt(PartReplica, p); err != nil {
			return err
		}
		return s.follow(ctx, r)
	})
}

// startReplicaContainer starts it in a container.
func (s *stack) startReplicaContainer(ctx context.Context, e *engine, image string) error {
	return withFreePort(func(port int) error {
		b, admin, err := s.runDatabase(ctx, e, PartReplica, image, port, following())
		if err != nil {
			return err
		}
		r, err := openReplica(ctx, admin, loopback(port), b.alive)
		if err != nil {
			return errors.Join(err, b.Kill())
		}
		return s.follow(ctx, r)
	})
}

// openReplica waits until it answers and makes the same database and user as the primary has, the user with a password of
// its own.
func openReplica(ctx context.Context, admin *mysql.Config, addr string, alive func() error) (*replica, error) {
	d, dsn, err := openDatabase(ctx, admin, addr, alive)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", PartReplica, err)
	}
	return &replica{database: d, dsn: dsn}, nil
}

// follow makes r the primary's replica from where the primary is now; both databases are empty. It returns when r is in
// step, and applies what comes from then on late.
func (s *stack) follow(ctx context.Context, r *replica) error {
	s.replica = r
	password := randomHex(8)
	for _, q := range []string{
		"CREATE USER 'replica'@'%' IDENTIFIED BY '" + password + "'",
		"GRANT REPLICATION SLAVE ON *.* TO 'replica'@'%'",
	} {
		if _, err := s.admin.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: its user: %w", PartReplica, err)
		}
	}
	file, position, err := s.admin.written(ctx)
	if err != nil {
		return err
	}
	dsn, err := mysql.ParseDSN(s.DSN())
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(dsn.Addr)
	if err != nil {
		return err
	}
	// Positions rather than GTIDs: those are another thing in MySQL than in MariaDB.
	for _, q := range []string{
		fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = %s, MASTER_USER = 'replica', MASTER_PASSWORD = '%s', "+
			"MASTER_LOG_FILE = '%s', MASTER_LOG_POS = %s, MASTER_CONNECT_RETRY = 1", host, port, password, file, position),
		"START SLAVE",
	} {
		if _, err := r.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", PartReplica, err)
		}
	}
	if err := r.await(ctx, file, position); err != nil {
		return err
	}
	return r.lag(ctx, s.spec.ReplicaDelay)
}

// written is how far the primary's binary log goes.
func (d database) written(ctx context.Context) (file, position string, err error) {
	status, err := statusRow(ctx, d.db, "SHOW MASTER STATUS")
	if err != nil {
		return "", "", fmt.Errorf("the primary's binary log: %w", err)
	}
	return status["File"], status["Position"], nil
}

// await returns when the replica has applied the primary's log up to a position.
func (r *replica) await(ctx context.Context, file, position string) error {
	var applied sql.NullInt64
	err := r.db.QueryRowContext(ctx, "SELECT MASTER_POS_WAIT(?, "+position+", ?)", file, int(replicaLimit.Seconds())).Scan(&applied)
	if err == nil && applied.Valid && applied.Int64 >= 0 {
		return nil
	}
	status, statusErr := statusRow(ctx, r.db, "SHOW SLAVE STATUS")
	return errors.Join(fmt.Errorf("%s has not come as far as %s:%s within %v: io %s %s, sql %s %s", PartReplica, file, position, replicaLimit,
		status["Slave_IO_Running"], status["Last_IO_Error"], status["Slave_SQL_Running"], status["Last_SQL_Error"]), err, statusErr)
}

// lag sets how late it applies.
func (r *replica) lag(ctx context.Context, delay time.Duration) error {
	if delay == r.delay {
		return nil
	}
	for _, q := range []string{
		"STOP SLAVE", fmt.Sprintf("CHANGE MASTER TO MASTER_DELAY = %d", int(delay.Seconds())), "START SLAVE",
	} {
		if _, err := r.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", PartReplica, err)
		}
	}
	r.delay = delay
	return nil
}

// CatchUp implements Replicator.
func (s *stack) CatchUp(ctx context.Context) error {
	r := s.replica
	if r == nil {
		return nil
	}
	delay := r.delay
	if err := r.lag(ctx, 0); err != nil {
		return err
	}
	file, position, err := s.admin.written(ctx)
	if err == nil {
		err = r.await(ctx, file, position)
	}
	return errors.Join(err, r.lag(ctx, delay))
}

// statusRow is the one row of a SHOW statement, whose columns differ between versions.
func statusRow(ctx context.Context, db *sql.DB, query string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	if !rows.Next() {
		return nil, errors.Join(fmt.Errorf("%s: no row", query), rows.Err())
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	status := make(map[string]string, len(names))
	for i, name := range names {
		status[name] = values[i].String
	}
	return status, rows.Err()
}
