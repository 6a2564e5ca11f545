package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Surface is what a fault takes hold of.
type Surface string

// The surfaces there are. A target may offer several: a database is a process, a link leads to it, and it speaks SQL.
const (
	OnLink     Surface = "link"
	OnProcess  Surface = "process"
	OnDatabase Surface = "database"
	OnReplica  Surface = "replica"
	OnRedis    Surface = "redis"
	OnBalancer Surface = "balancer"
	OnHTTP     Surface = "server of requests"
	OnInstance Surface = "instance" // a process behind a balancer
	OnRole     Surface = "role"     // all instances of one kind

	// OnContainer is a part's container. Every process of ours offers it, and has one on the containers testbed alone.
	OnContainer Surface = "container"

	OnClock Surface = "clock" // of a process of the service
)

// A Target is what a scenario names with on:. Handles for surfaces that it does not offer are zero.
type Target struct {
	Name     string
	Link     *Link         // the way to it, through a proxy of ours
	Process  Process       // the part itself
	Database *Database     // ways in for SQL
	Redis    func() string // where it listens now, beside any link: "127.0.0.1:6379"
	Balancer *Balancer
	HTTP     *HTTP // its requests, one by one

	Replication *Replication
	Warmth      *Warmth
	Role        *Role
	Container   Container
	Clock       *Clock
}

// A Process is a part of a run that can be taken from outside: a process, a container. It is safe for concurrent use.
type Process interface {
	// Kill ends it at once (SIGKILL) and returns when it has ended. One that has ended already is no error.
	Kill(ctx context.Context) error
	// Stop asks it to end (SIGTERM), and returns when it has. One that must be killed for that is no error.
	Stop(ctx context.Context) error
	// Start starts it again as it was and returns when it listens. It does nothing when it runs.
	Start(ctx context.Context) error
	// Pause stops it in its tracks: its connections stay open and nothing answers. Resume undoes that, and must be called
	// after a Pause that went wrong, too: it may have stopped all the same.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Running is since when it runs; ok is false while it does not.
	Running() (since time.Time, ok bool)
	// Ping makes one smallest exchange with it, beside any link.
	Ping(ctx context.Context) error
}

// A Database is the ways into one MySQL or MariaDB.
type Database struct {
	Admin *sql.DB // as its administrator, in the run's database
	User  *sql.DB // with the service's own rights
}

// A Replication is the ways into a database and its replica, both as their administrator.
type Replication struct{ Primary, Replica *sql.DB }

// A Mistake is what is wrong with a fault as somebody wrote it.
type Mistake struct {
	Field string // "on", "inject", or the parameter
	What  string
}

func (m *Mistake) Error() string { return m.Field + ": " + m.What }

func mistake(field, format string, args ...any) error {
	return &Mistake{Field: field, What: fmt.Sprintf(format, args...)}
}

// A Site is a target before it exists: its name and what it will offer.
type Site struct {
	Name   string
	Offers []Surface
}

// Check reports what is wrong with a fault on one of sites. The error is a [*Mistake].
func Check(sites []Site, on, inject string, given map[string]string) error {
	k, err := kindOf(inject)
	if err != nil {
		return err
	}
	var able []string
	for _, s := range sites {
		if slices.Contains(s.Offers, k.On) {
			able = append(able, s.Name)
		}
	}
	if !slices.Contains(able, on) {
		if !slices.ContainsFunc(sites, func(s Site) bool { return s.Name == on }) {
			return mistake("on", "there is no %q; %s can be on %s", on, inject, strings.Join(able, ", "))
		}
		return mistake("on", "%s acts on a %s, which %s is not; it can be on %s", inject, k.On, on, strings.Join(able, ", "))
	}
	_, err = New(inject, given)
	return err
}
