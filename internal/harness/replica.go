package harness

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
)

// rerouteReplica sends the service's link to the replica through a proxy, if it is to be broken.
func (f *faults) rerouteReplica(cfg *service.Config) error {
	if cfg.MySQL.ReplicaDSN == "" {
		return nil
	}
	dsn, err := mysql.ParseDSN(string(cfg.MySQL.ReplicaDSN))
	if err != nil {
		return fmt.Errorf("reading the replica's address: %w", err)
	}
	if dsn.Addr, err = f.open(siteReplica, dsn.Addr, chaos.PingGreeting); err != nil {
		return err
	}
	cfg.MySQL.ReplicaDSN = service.Secret(dsn.FormatDSN())
	return nil
}

// openReplication opens the fault's own ways into the database and its replica, beside any link.
func openReplication(stack testbed.Stack) (*chaos.Replication, error) {
	primary, ok := stack.(testbed.Administrator)
	replica, also := stack.(testbed.Replicator)
	if !ok || !also || replica.ReplicaAdminDSN() == "" {
		return nil, errors.New("this run has no replica: add needs: [replica]")
	}
	r := new(chaos.Replication)
	var err error
	if r.Primary, err = sql.Open("mysql", primary.AdminDSN()); err != nil {
		return nil, fmt.Errorf("the administrator's connection: %w", err)
	}
	if r.Replica, err = sql.Open("mysql", replica.ReplicaAdminDSN()); err != nil {
		return nil, errors.Join(fmt.Errorf("the administrator's connection to the replica: %w", err), r.Primary.Close())
	}
	for _, db := range []*sql.DB{r.Primary, r.Replica} {
		db.SetMaxIdleConns(1) // kept ones would count among those that the service may have
		db.SetConnMaxIdleTime(time.Second)
	}
	return r, nil
}

// checkReplica tells what of a scenario wants a replica that it does not ask for.
func checkReplica(sc *scenarios.Scenario) error {
	if slices.Contains(sc.Needs, "replica") {
		return nil
	}
	var problems []error
	for _, side := range []string{Hardened, AsWas} {
		if cfg, err := profile(sc, side); err == nil && cfg.Switches.Reads == service.Replica {
			problems = append(problems, fmt.Errorf("%s (%s): reads: replica wants one: add needs: [replica]", sc.Name, side))
		}
	}
	for _, f := range sc.Faults {
		if f.On == siteReplica {
			problems = append(problems, fmt.Errorf("faults: on: %s wants one: add needs: [replica]", siteReplica))
		}
	}
	return errors.Join(problems...)
}
