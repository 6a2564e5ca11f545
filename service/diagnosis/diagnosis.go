package diagnosis

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

//go:embed sql/*.sql
var files embed.FS

// A Query is one question to the tables.
type Query struct {
	Name  string // of its file, without .sql
	About string // its comment's first sentence
	Text  string // the whole file: the comment and one SELECT
}

// Queries are all queries, by name.
func Queries() []Query {
	entries, err := fs.ReadDir(files, "sql")
	if err != nil { // embedded
		panic(err)
	}
	list := make([]Query, len(entries))
	for i, e := range entries {
		text, err := files.ReadFile("sql/" + e.Name())
		if err != nil {
			panic(err)
		}
		list[i] = Query{Name: strings.TrimSuffix(e.Name(), ".sql"), About: about(string(text)), Text: string(text)}
	}
	return list
}

// about is the first sentence of a file's comment.
func about(text string) string {
	var comment []string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "--"); ok {
			comment = append(comment, strings.TrimSpace(rest))
		}
	}
	first, _, _ := strings.Cut(strings.Join(comment, " "), ". ")
	return strings.TrimSuffix(first, ".")
}

// An Answer is what a database said: rows of text, NULL as "NULL".
type Answer struct {
	Columns []string
	Rows    [][]string
}

// askTimeout bounds one query: a diagnosis must not become the next trouble.
const askTimeout = 30 * time.Second

// Ask puts a query to the database of a DSN such as user:password@tcp(host:port)/database, in a transaction that can only read. No
// error quotes the DSN, which holds a password.
func Ask(ctx context.Context, dsn string, q Query) (a Answer, err error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return a, errors.New("not a DSN of the form user:password@tcp(host:port)/database")
	}
	cfg.ParseTime = false // times as the database writes them
	cfg.Timeout = 5 * time.Second
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return a, errors.New("not a DSN that can be connected to")
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return a, err
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.QueryContext(ctx, strings.TrimSuffix(strings.TrimSpace(q.Text), ";"))
	if err != nil {
		return a, fmt.Errorf("%s: %w", q.Name, err)
	}
	defer rows.Close()
	if a.Columns, err = rows.Columns(); err != nil {
		return a, err
	}
	cells := make([]sql.NullString, len(a.Columns))
	into := make([]any, len(cells))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return a, err
		}
		row := make([]string, len(cells))
		for i, c := range cells {
			if row[i] = c.String; !c.Valid {
				row[i] = "NULL"
			}
		}
		a.Rows = append(a.Rows, row)
	}
	return a, rows.Err()
}
