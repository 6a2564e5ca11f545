package harness

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
)

// sparing rewrites a configuration to what a build cannot know by itself: the addresses and keys, the switches that the
// scenario sets, and the refund deadline, which the audit goes by. Two builds whose defaults differ are then compared as
// they ship; told this program's, they would both run with those. A build that is older than one of the switches is not told of
// it, either.
func sparing(sc *scenarios.Scenario, side string) func([]byte) ([]byte, error) {
	keep := append(slices.Collect(maps.Keys(sc.Service)), "refund.after")
	if side == AsWas {
		keep = slices.AppendSeq(keep, maps.Keys(sc.AsWas))
	}
	return func(config []byte) ([]byte, error) {
		full, usual := map[string]any{}, map[string]any{}
		if err := yaml.Unmarshal(config, &full); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		text, err := marshal(service.Default())
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(text, &usual); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		var kept [][]string
		for _, key := range keep {
			kept = append(kept, append([]string{"switches"}, strings.Split(key, ".")...))
		}
		prune(full, usual, kept)
		return yaml.Marshal(full)
	}
}

// prune removes from a mapping what is the same in another, but for the paths that are kept.
func prune(from, usual map[string]any, kept [][]string) {
	for key, value := range from {
		var below [][]string
		whole := false
		for _, path := range kept {
			if path[0] == key {
				whole = whole || len(path) == 1
				if len(path) > 1 {
					below = append(below, path[1:])
				}
			}
		}
		if whole {
			continue
		}
		inner, isMap := value.(map[string]any)
		other, alsoMap := usual[key].(map[string]any)
		switch {
		case isMap && alsoMap:
			if prune(inner, other, below); len(inner) == 0 {
				delete(from, key)
			}
		case reflect.DeepEqual(value, usual[key]):
			delete(from, key)
		}
	}
}
