package harness

import (
	"maps"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
)

// told is what a build is told by a configuration, and what it makes of it.
func told(t *testing.T, cfg *service.Config, sc *scenarios.Scenario, side string) (map[string]any, map[string]any) {
	t.Helper()
	text, err := marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	spare, err := sparing(sc, side)(text)
	if err != nil {
		t.Fatal(err)
	}
	all, switches := map[string]any{}, map[string]any{}
	if err := yaml.Unmarshal(spare, &all); err != nil {
		t.Fatal(err)
	}
	if s, ok := all["switches"].(map[string]any); ok {
		switches = s
	}
	// This build has the defaults that were left out, so that it reads the same from both.
	whole, sparse := service.Default(), service.Default()
	if err := yaml.Unmarshal(text, whole); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(spare, sparse); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(whole.Effective(), sparse.Effective()) || whole.MySQL != sparse.MySQL || whole.Redis != sparse.Redis {
		t.Errorf("the build reads something else:\n%s", spare)
	}
	return all, switches
}

func TestABuildIsToldOnlyWhatItCannotKnow(t *testing.T) {
	sc := &scenarios.Scenario{
		Service: map[string]string{"callback.workers": service.Default().Effective()["callback.workers"], "pay.window": "8s"},
		AsWas:   map[string]string{"dedupe": "none"},
	}
	cfg := service.Default()
	cfg.MySQL.DSN, cfg.Redis.Cache = "u:p@tcp(127.0.0.1:1)/d", "127.0.0.1:2"
	if err := setAll(cfg, sc.Service); err != nil {
		t.Fatal(err)
	}
	all, switches := told(t, cfg, sc, Hardened)
	if got, want := slices.Sorted(maps.Keys(all)), []string{"mysql", "redis", "switches"}; !slices.Equal(got, want) {
		t.Errorf("it is told of %q, want %q", got, want)
	}
	if got, want := slices.Sorted(maps.Keys(switches)), []string{"callback", "pay", "refund"}; !slices.Equal(got, want) {
		t.Errorf("it is told of the switches %q, want what the scenario sets, a default or not, and the refund deadline: %q", got, want)
	}
	if refund := switches["refund"].(map[string]any); len(refund) != 1 || refund["after"] == nil {
		t.Errorf("of the refunds it is told %v, want the deadline alone", refund)
	}
	if err := setAll(cfg, sc.AsWas); err != nil {
		t.Fatal(err)
	}
	if _, switches = told(t, cfg, sc, AsWas); switches["dedupe"] != "none" {
		t.Errorf("as-was it is told %v", switches)
	}
}

// A switch is kept by its key, so each key must be its place in the file.
func TestEverySwitchCanBeKept(t *testing.T) {
	for _, s := range service.Switches() {
		_, switches := told(t, service.Default(), &scenarios.Scenario{Service: map[string]string{s.Key: "x"}}, Hardened)
		if len(switches) == 1 && s.Key != "refund.after" {
			if refund, ok := switches["refund"].(map[string]any); !ok || len(refund) == 1 {
				t.Errorf("%s is not told: %v", s.Key, switches)
			}
		}
	}
}
