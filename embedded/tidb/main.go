package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/pingcap/tidb/pkg/config"
	"github.com/pingcap/tidb/pkg/ddl"
	"github.com/pingcap/tidb/pkg/executor"
	"github.com/pingcap/tidb/pkg/kv"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/resourcemanager"
	"github.com/pingcap/tidb/pkg/server"
	"github.com/pingcap/tidb/pkg/session"
	"github.com/pingcap/tidb/pkg/sessionctx/variable"
	"github.com/pingcap/tidb/pkg/store/mockstore"
	"github.com/pingcap/tidb/pkg/util"
	"github.com/pingcap/tidb/pkg/util/logutil"
)

// release is what TiDB is pinned to in go.mod; its own build would have put the name in.
const release = "v8.5.4"

func main() {
	// TiDB logs to stdout, which is for our one line.
	stdout := os.Stdout
	os.Stdout = os.Stderr
	if err := run(os.Args[1:], os.Stdin, stdout); err != nil {
		fmt.Fprintln(os.Stderr, "embedded tidb:", err)
		os.Exit(1)
	}
}

// run serves until stdin is closed.
func run(args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("tidb", flag.ContinueOnError)
	dir := flags.String("dir", "", "an empty private `folder` for the store's files")
	connections := flags.Uint("max-connections", 151, "connections accepted at once; one more gets error 1040")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		return errors.New("-dir: a folder is needed")
	}
	// The store keeps its data in memory only if it chose its folder itself, below TMPDIR.
	if err := os.Setenv("TMPDIR", *dir); err != nil {
		return err
	}
	mysql.TiDBReleaseVersion = release
	mysql.ServerVersion = "8.0.11-TiDB-" + release
	variable.SetSysVar(variable.Version, mysql.ServerVersion)
	cfg := settings(*dir, uint32(*connections))
	config.StoreGlobalConfig(cfg)
	if err := logutil.InitLogger(cfg.Log.ToLogConfig()); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	util.InternalHTTPClient()
	kv.TxnTotalSizeLimit.Store(config.SuperLargeTxnSize)
	session.SetSchemaLease(time.Second)
	session.SetStatsLease(3 * time.Second)
	executor.Start()
	resourcemanager.InstanceResourceManager.Start()

	store, err := mockstore.NewMockStore(mockstore.WithStoreType(mockstore.EmbedUnistore))
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := ddl.StartOwnerManager(context.Background(), store); err != nil {
		return fmt.Errorf("schema owner: %w", err)
	}
	dom, err := session.BootstrapSession(store)
	if err != nil {
		return fmt.Errorf("system tables: %w", err)
	}
	if err := quieten(store); err != nil {
		return err
	}

	// The server takes port 0 for "no TCP" unless it believes that it runs under go test; only then does it say when
	// it listens, too. Nothing else hangs on that flag.
	server.RunInGoTest = true
	server.RunInGoTestChan = make(chan struct{})
	srv, err := server.NewServer(cfg, server.NewTiDBDriver(store))
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	srv.SetDomain(dom)
	dom.InfoSyncer().SetSessionManager(srv)
	go dom.ExpensiveQueryHandle().SetSessionManager(srv).Run()

	ended := make(chan error, 1)
	go func() { ended <- srv.Run(dom) }()
	select {
	case err := <-ended:
		return fmt.Errorf("server: %w", err)
	case <-server.RunInGoTestChan:
	}
	listening := map[string]string{
		"msg": "listening", "mysql": srv.ListenAddr().String(), "version": mysql.ServerVersion,
	}
	if err := json.NewEncoder(stdout).Encode(listening); err != nil {
		return fmt.Errorf("stdout: %w", err)
	}

	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, stdin) // any end of stdin means that the harness is gone
		close(closed)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("server: %w", err)
	case <-closed:
	}
	// An orderly shutdown waits for leases and owners for seconds; the store is thrown away with its folder anyway.
	return nil
}

// settings is TiDB's configuration for one private process on loopback.
func settings(dir string, connections uint32) *config.Config {
	cfg := config.NewConfig()
	cfg.Store = "unistore"
	cfg.Path = dir
	cfg.Host = "127.0.0.1"
	cfg.AdvertiseAddress = "127.0.0.1"
	cfg.Port = 0
	cfg.Socket = ""
	cfg.TempStoragePath = dir + "/temp"
	cfg.Status.ReportStatus = false
	cfg.Log.Level = "error"
	cfg.Log.EnableSlowLog.Store(false)
	cfg.Instance.EnableSlowLog.Store(false)
	cfg.Log.SlowQueryFile = dir + "/slow.log"
	cfg.Instance.MaxConnections = connections
	// Without this an autocommit UPDATE runs optimistically: under contention one waited 81 s and got error 9004 where
	// its lock time-out was 1 s.
	cfg.PessimisticTxn.PessimisticAutoCommit.Store(true)
	return cfg
}

// quieten turns off the tuner that lets the heap grow to a share of the machine's memory: 484 MB instead of 1.5 GB after
// a minute of load, at the same throughput, together with GOMEMLIMIT=400MiB from the harness.
func quieten(store kv.Storage) error {
	sess, err := session.CreateSession(store)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	defer sess.Close()
	for _, set := range []string{
		"SET GLOBAL tidb_enable_gogc_tuner = OFF",
		"SET GLOBAL tidb_enable_auto_analyze = OFF",
	} {
		if _, err := sess.Execute(context.Background(), set); err != nil {
			return fmt.Errorf("%s: %w", set, err)
		}
	}
	return nil
}
