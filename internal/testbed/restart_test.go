package testbed_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

func TestAPartThatWasKilledOrHaltedStartsAgainOnWhatItsDiskHasKept(t *testing.T) {
	for _, where := range []struct{ name, word string }{
		{testbed.Containers, "containers"}, {testbed.Local, "mariadb"},
	} {
		t.Run(where.name, func(t *testing.T) {
			choice := require(t, where.name, where.word)
			run := spec(t)
			stack, err := testbed.Start(t.Context(), choice, run)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := stack.Close(context.Background()); err != nil {
					t.Error(err)
				}
				text, err := os.ReadFile(filepath.Join(run.LogDir, string(testbed.PartCache)+".log"))
				if n := strings.Count(string(text), "Ready to accept connections"); err != nil || n != 3 {
					t.Errorf("the log of a Redis that was started three times tells of %d starts (%v)", n, err)
				}
			}()
			again := stack.(testbed.Restarter)
			write(t, stack.DSN(), "CREATE TABLE kept (n INT PRIMARY KEY)", "INSERT INTO kept VALUES (7)")
			for _, name := range []testbed.Part{testbed.PartMySQL, testbed.PartCache, testbed.PartQueue} {
				if _, _, err := again.Restart(t.Context(), name); err == nil {
					t.Errorf("%s was started a second time while it ran", name)
				}
				for _, end := range []struct {
					how string
					do  func(testbed.Instance) error
				}{
					{"killed", func(i testbed.Instance) error { return i.Kill() }},
					{"halted", func(testbed.Instance) error { return again.Halt(t.Context(), name) }},
				} {
					old := stack.Part(name)
					if err := end.do(old); err != nil {
						t.Fatalf("%s %s: %v", name, end.how, err)
					}
					<-old.Exited()
					began := time.Now()
					i, addr, err := again.Restart(t.Context(), name)
					if err != nil {
						t.Fatalf("%s %s: %v", name, end.how, err)
					}
					t.Logf("%s %s: answers again at %s after %s", name, end.how, addr, time.Since(began).Round(time.Millisecond))
					if stack.Part(name) != i {
						t.Errorf("%s: the stack does not know its new instance", name)
					}
					if got := addressOf(t, stack, name); got != addr {
						t.Errorf("%s: the stack says %s, Restart %s", name, got, addr)
					}
				}
			}
			for _, addr := range []string{stack.CacheRedis(), stack.QueueRedis()} {
				c := redis.NewClient(&redis.Options{Addr: addr})
				if err := c.Ping(t.Context()).Err(); err != nil {
					t.Error(err)
				}
				c.Close()
			}
			if n := read(t, stack.DSN(), "SELECT n FROM kept"); n != 7 {
				t.Errorf("the database kept %d, want 7", n)
			}
			if n := read(t, stack.(testbed.Administrator).AdminDSN(), "SELECT COUNT(*) FROM mysql.user WHERE user = 'lunchrush'"); n != 1 {
				t.Errorf("the administrator sees %d users of the run, want 1", n)
			}
			if err := stack.Reset(t.Context()); err != nil {
				t.Errorf("emptying it after all: %v", err)
			}
		})
	}
}

func addressOf(t *testing.T, stack testbed.Stack, name testbed.Part) string {
	t.Helper()
	switch name {
	case testbed.PartCache:
		return stack.CacheRedis()
	case testbed.PartQueue:
		return stack.QueueRedis()
	default:
	}
	dsn, err := mysql.ParseDSN(stack.DSN())
	if err != nil {
		t.Fatal(err)
	}
	return dsn.Addr
}

func write(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, dsn, query string) (n int) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
