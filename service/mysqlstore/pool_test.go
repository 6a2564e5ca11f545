package mysqlstore_test

import (
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/mysqlstore"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// More requests than the database has connections: bounded they wait for each other, unbounded they are answered error 1040.
func TestABoundedPoolNeverMeetsError1040(t *testing.T) {
	servicetest.MariaDBOnly(t, "its limit is lowered for a moment")
	dsn := servicetest.DSN(t)
	tables, err := mysqlstore.New(service.Secret(dsn), service.DBSwitches{Pool: service.Bounded, MaxOpen: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tables.Migrate(t.Context()), tables.Close()); err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	admin.SetMaxOpenConns(1)
	const limit = 20
	var was int
	if err := admin.QueryRowContext(t.Context(), "SELECT @@max_connections").Scan(&was); err != nil {
		t.Fatal(err)
	}
	set := func(n int) {
		if _, err := admin.Exec("SET GLOBAL max_connections = ?", n); err != nil {
			t.Error(err)
		}
	}
	set(limit)
	defer set(was)

	for _, side := range []struct {
		name, pool string
		refused    bool
	}{{"as was, without a bound", service.Unbounded, true}, {"hardened, with one", service.Bounded, false}} {
		t.Run(side.name, func(t *testing.T) {
			store, err := mysqlstore.New(service.Secret(dsn), service.DBSwitches{Pool: side.pool, MaxOpen: 5})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			var mu sync.Mutex
			held, refused, failed := 0, 0, 0
			answered := make(chan struct{}) // by the channel that the requests wait for
			store.Errors = func(number uint16) {
				mu.Lock()
				defer mu.Unlock()
				if number == 1040 {
					refused++
				}
			}
			var requests sync.WaitGroup
			for range 2 * limit {
				requests.Go(func() {
					ctx, release, err := store.Hold(t.Context())
					if err != nil {
						mu.Lock()
						defer mu.Unlock()
						failed++
						return
					}
					defer release()
					if _, err := store.Order(ctx, "none"); !errors.Is(err, service.ErrNotFound) {
						t.Error(err)
					}
					mu.Lock()
					held++
					mu.Unlock()
					<-answered
				})
			}
			servicetest.Eventually(t, 10*time.Second, "every request has a connection, was refused, or waits for one", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return held+failed+int(store.Stats().WaitCount) >= 2*limit
			})
			close(answered)
			requests.Wait()
			if (refused > 0) != side.refused || refused != failed {
				t.Errorf("%d of %d requests failed, %d errors 1040 were counted", failed, 2*limit, refused)
			}
		})
	}
}
