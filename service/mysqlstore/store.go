package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/lunchrush/lunchrush/service"
)

// The error numbers that mean the same on every engine.
const (
	errTooManyConnections = 1040
	errDuplicateEntry     = 1062
	errLockWait           = 1205 // undoes the statement only: the transaction is rolled back by us
	errDeadlock           = 1213 // undoes the transaction
	errReadMoved          = 1020 // likewise, MariaDB from 11.6.2 on (innodb_snapshot_isolation): a row was changed after it was read
)

// tries bounds how often a transaction is started under db.retry bounded.
const tries = 3

// Store is the service's store. It is safe for concurrent use; [New] makes it.
type Store struct {
	db    connections
	tries int
	// VoidedIn is the database that keeps what upgrades have voided; "" is the DSN's own. It is set before the first use.
	VoidedIn string
	// Errors is called with the number of each MySQL error, so that 1040, 1205 and 1213 are counted. May be nil.
	Errors func(number uint16)
}

var _ service.Store = (*Store)(nil)

// New opens the pool; it does not connect yet.
func New(dsn service.Secret, s service.DBSwitches) (*Store, error) {
	cfg, err := mysql.ParseDSN(string(dsn))
	if err != nil {
		// The driver's error could quote the password.
		return nil, errors.New("mysql.dsn: not a DSN of the form user:password@tcp(host:port)/database")
	}
	cfg.ParseTime = true
	cfg.Loc = time.UTC
	cfg.InterpolateParams = true // one round trip a statement instead of three
	cfg.ClientFoundRows = false  // a compare-and-set counts rows that changed
	cfg.Timeout = 5 * time.Second
	cfg.ReadTimeout = time.Minute // longer than a lock wait, 50 s: a server that hangs is left in the end
	cfg.WriteTimeout = 10 * time.Second
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("mysql.dsn: %w", err)
	}
	store := &Store{tries: 1}
	db := sql.OpenDB(counted{connector, store})
	store.db = connections{db}
	if s.Retry == service.Bounded {
		store.tries = tries
	}
	switch s.Pool {
	case service.Bounded:
		db.SetMaxOpenConns(s.MaxOpen)
		db.SetMaxIdleConns(s.MaxOpen)
		db.SetConnMaxIdleTime(time.Minute)
	case service.Unbounded:
		// As was: every statement that finds no idle connection opens one more, until the server answers 1040.
		db.SetMaxOpenConns(0)
		db.SetMaxIdleConns(s.MaxOpen)
	}
	return store, nil
}

// Close closes the pool; it waits for running statements.
func (s *Store) Close() error { return s.db.Close() }

// Stats are the pool's.
func (s *Store) Stats() sql.DBStats { return s.db.Stats() }

// Ping asks whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.PingContext(ctx) }

// clockMS is the database's time of day in Unix milliseconds, in whatever time zone it is.
const clockMS = `TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000`

// Clock reads the database's clock.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	var ms int64
	err := s.db.QueryRowContext(ctx, `SELECT `+clockMS).Scan(&ms)
	return time.UnixMilli(ms).UTC(), err
}

// Migrate creates the tables that are missing.
func (s *Store) Migrate(ctx context.Context) error {
	for _, statement := range append(slices.Concat(schema, readingTables, uploadTables), s.voidedTable()) {
		if _, err := s.exec(ctx, statement); err != nil {
			return fmt.Errorf("creating tables: %w", err)
		}
	}
	return nil
}

// executor is a *sql.DB or a *sql.Tx.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// tx runs body in a transaction, again when it met a deadlock or a lock wait and db.retry allows. Body must have no
// effect of its own.
func (s *Store) tx(ctx context.Context, body func(tx *sql.Tx) error) error {
	return s.again(ctx, func() error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := body(tx); err != nil {
			return errors.Join(err, ignoreDone(tx.Rollback()))
		}
		return tx.Commit()
	})
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) || errors.Is(err, mysql.ErrInvalidConn) {
		return nil // the transaction ended with its connection or its context
	}
	return err
}

// exec runs one statement that is its own transaction.
func (s *Store) exec(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	err = s.again(ctx, func() error {
		result, err = s.db.ExecContext(ctx, query, args...)
		return err
	})
	return result, err
}

// moved runs a compare-and-set of one row, or of one and what goes along with it.
func (s *Store) moved(ctx context.Context, query string, args ...any) (bool, error) {
	result, err := s.exec(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// movedIn runs a compare-and-set in a transaction.
func movedIn(ctx context.Context, tx *sql.Tx, query string, args ...any) (bool, error) {
	result, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

func (s *Store) again(ctx context.Context, attempt func() error) error {
	for i := 1; ; i++ {
		err := attempt()
		number := errorNumber(err)
		if number != 0 && number != errTooManyConnections && s.Errors != nil { // that one is counted where it is met
			s.Errors(number)
		}
		if number != errDeadlock && number != errLockWait && number != errReadMoved {
			return err
		}
		if i >= s.tries {
			return fmt.Errorf("%w: %w", service.ErrRolledBack, err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(1+rand.IntN(10*i)) * time.Millisecond):
		}
	}
}

// errorNumber is MySQL's number of err, 0 when it has none.
func errorNumber(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return service.ErrNotFound
	}
	return err
}

// all scans every row that a query yields.
func all[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

type scanner interface{ Scan(dest ...any) error }
