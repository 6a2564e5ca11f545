package testbed_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// What a replica must do, wherever it runs.
func exerciseReplica(t *testing.T, c testbed.Choice) {
	s := spec(t)
	s.Replica, s.ReplicaDelay = true, 2*time.Second
	stack := start(t, c, s)
	primary := openSQL(t, stack)
	replica, err := sql.Open("mysql", stack.ReplicaDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Close() })
	stocks := func() (n int) {
		if err := replica.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM stock").Scan(&n); err != nil {
			return -1 // the table is not there yet
		}
		return n
	}

	execute(t, primary, "CREATE TABLE stock (id BIGINT PRIMARY KEY)")
	execute(t, primary, "INSERT INTO stock VALUES (1)")
	if n := stocks(); n != -1 {
		t.Errorf("the replica, which is 2s late, shows %d rows at once", n)
	}
	eventually(t, "the row shows on the replica", 10*time.Second, func() bool { return stocks() == 1 })
	if _, err := replica.ExecContext(t.Context(), "INSERT INTO stock VALUES (2)"); err == nil {
		t.Error("the replica took a write of the service's user")
	}

	execute(t, primary, "INSERT INTO stock VALUES (3)") // is still to come when the database is emptied
	if err := stack.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := stocks(); n != -1 {
		t.Errorf("after the reset the replica has %d rows of the run before", n)
	}
	execute(t, primary, "CREATE TABLE stock (id BIGINT PRIMARY KEY)")
	if n := stocks(); n != -1 {
		t.Error("after the reset the replica is not late any more")
	}
	eventually(t, "the new table shows on the replica", 10*time.Second, func() bool { return stocks() == 0 })
}

func TestALocalReplicaIsLateAndIsReset(t *testing.T) {
	exerciseReplica(t, require(t, testbed.Local, "mariadb"))
}

func TestAReplicaInAContainerIsLateAndIsReset(t *testing.T) {
	exerciseReplica(t, require(t, testbed.Containers, "containers"))
}

func TestTheEmbeddedTestbedHasNoReplica(t *testing.T) {
	s := spec(t)
	s.Replica = true
	_, err := testbed.Start(t.Context(), testbed.Choice{Name: testbed.Embedded}, s)
	const want = "testbed embedded: does not have replica, which needs containers or local"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
