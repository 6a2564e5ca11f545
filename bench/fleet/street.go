package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// quietNoon is a fleet with its default polls and beats and, all together, two orders a minute: a plan must have some.
const quietNoon = `
name: quiet-noon
title: Ten thousand machines that nobody is at
source: the limit on idle machines
clock: {from: "12:00", to: "13:00", speed: 1}
fleet: {machines: %d}
demand: {per_machine_hour: 0.012}
payments: {wechat: 70%%, alipay: 30%%}
expect: {loss.total: "== 0"}
`

// An order is what the parent tells the street: how many machines, and where the books go.
type order struct {
	Machines int    `json:"machines"`
	Dir      string `json:"dir"`
	Profile  string `json:"profile"`
}

// street is the simulator's process. It reads an order, answers with the settings of its upstreams, reads where the
// service is, and plays until stdin ends.
func street(ctx context.Context, stdin io.Reader, stdout io.Writer) (err error) {
	in := bufio.NewReader(stdin)
	var o order
	if err := readLine(in, &o); err != nil {
		return err
	}
	sc, err := scenarios.Load("quiet-noon.yaml", fmt.Appendf(nil, quietNoon, o.Machines), scenarios.Known{Measures: []string{"loss.total"}})
	if err != nil {
		return err
	}
	plan, err := simulator.NewPlan(sc, 1)
	if err != nil {
		return err
	}
	m := &runlog.Manifest{
		Schema: runlog.SchemaVersion, Scenario: sc.Name, StartedAt: time.Now(), Machines: o.Machines, RefundAfterNS: int64(90 * time.Second),
	}
	log, err := runlog.Create(o.Dir, m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	world, err := simulator.New(simulator.Config{Scenario: sc, Plan: plan, Manifest: m, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	if err := json.NewEncoder(stdout).Encode(world.ServiceSettings()); err != nil {
		return err
	}
	var target simulator.Target
	if err := readLine(in, &target); err != nil {
		return err
	}
	if o.Profile != "" {
		stop := profile(ctx, o.Profile+"street")
		defer func() { err = errors.Join(err, stop()) }()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	if _, err = world.Play(ctx, target); ctx.Err() != nil {
		return nil // that is how it ends
	}
	return err
}

func readLine(in *bufio.Reader, v any) error {
	text, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// environmentProfile carries the prefix of profile files to the service.
const environmentProfile = "LUNCHRUSH_BENCH_PROFILE"

func profileOfService() string { return os.Getenv(environmentProfile) + "service" }
