package mysqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// Hold takes a connection for everything that is done with the context that it returns, until release (db.hold request).
//
// What hurts: the connection is the request's own from its first statement to its last. While the request waits for a payment
// channel, for seconds, its connection waits with it and does nothing; the database needs as many connections as requests are
// under way, rather than as many as statements run. At the peak there are more of those than max_connections, and whoever
// comes next is answered error 1040.
func (s *Store) Hold(ctx context.Context) (_ context.Context, release func(), err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return ctx, nil, err
	}
	return context.WithValue(ctx, holder{s.db.DB}, conn), func() { _ = conn.Close() }, nil
}

// holder is the key of a context's connection to a database.
type holder struct{ db *sql.DB }

// connections are a database's: each statement takes one and gives it back, unless the context holds one.
type connections struct{ *sql.DB }

func (c connections) of(ctx context.Context) (*sql.Conn, bool) {
	conn, ok := ctx.Value(holder{c.DB}).(*sql.Conn)
	return conn, ok
}

// ExecContext runs a statement on the context's connection, or on any.
func (c connections) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if conn, ok := c.of(ctx); ok {
		return conn.ExecContext(ctx, query, args...)
	}
	return c.DB.ExecContext(ctx, query, args...)
}

// QueryContext is ExecContext for rows.
func (c connections) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if conn, ok := c.of(ctx); ok {
		return conn.QueryContext(ctx, query, args...)
	}
	return c.DB.QueryContext(ctx, query, args...)
}

// QueryRowContext is ExecContext for one row.
func (c connections) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if conn, ok := c.of(ctx); ok {
		return conn.QueryRowContext(ctx, query, args...)
	}
	return c.DB.QueryRowContext(ctx, query, args...)
}

// BeginTx begins a transaction on the context's connection, or on any.
func (c connections) BeginTx(ctx context.Context, options *sql.TxOptions) (*sql.Tx, error) {
	if conn, ok := c.of(ctx); ok {
		return conn.BeginTx(ctx, options)
	}
	return c.DB.BeginTx(ctx, options)
}

// counted tells of the connections that the server refused: a statement that gets none has no number of its own, and those
// that only read are counted nowhere else.
type counted struct {
	driver.Connector
	store *Store
}

// Connect implements driver.Connector.
func (c counted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if errorNumber(err) == errTooManyConnections && c.store.Errors != nil {
		c.store.Errors(errTooManyConnections)
	}
	return conn, err
}
