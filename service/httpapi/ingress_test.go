package httpapi

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lunchrush/lunchrush/service"
)

// A manifest is what this test reads of a Kubernetes object.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Template struct {
			Spec struct{ Containers []struct{ Args []string } }
		}
		Rules []struct {
			HTTP struct {
				Paths []struct {
					Path    string
					Backend struct{ Service struct{ Name string } }
				}
			}
		}
	}
}

// served are the public patterns of a process with these roles.
func served(roles ...string) (patterns []string) {
	has := func(role string) bool { return slices.Contains(roles, role) }
	a := &api{API: &API{}}
	if has("front") {
		a.Front, a.Bids, a.Uploads, a.Desk = &service.Front{}, &service.Bids{}, &service.Ingest{}, &service.Notifier{}
	}
	if has("gate") {
		a.Gate, a.Verifiers = &service.Gate{}, map[service.Channel]service.Verifier{service.WeChat: takesAll{}, service.Alipay: takesAll{}}
	}
	if has("notifier") {
		a.Notifier = &service.Notifier{}
		a.Desk = a.Notifier
	}
	for _, r := range a.publicRoutes() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}

type takesAll struct{ service.Verifier }

// What the world may ask for reaches a process that answers it.
func TestTheIngressLeadsEveryPublicRouteToAProcessThatHasIt(t *testing.T) {
	roles := make(map[string][]string)  // by deployment, which has its service's name
	backends := make(map[string]string) // by path prefix
	for _, name := range []string{"edge.yaml", "core.yaml"} {
		f, err := os.Open("../../deploy/kubernetes/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for documents := yaml.NewDecoder(f); ; {
			var m manifest
			if err := documents.Decode(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(name, err)
			}
			switch m.Kind {
			case "Deployment":
				args := m.Spec.Template.Spec.Containers[0].Args
				roles[m.Metadata.Name] = strings.Split(args[slices.Index(args, "--role")+1], ",")
			case "Ingress":
				for _, p := range m.Spec.Rules[0].HTTP.Paths {
					backends[p.Path] = p.Backend.Service.Name
				}
			}
		}
	}
	all := served("front", "gate", "notifier")
	if len(all) < 13 || len(roles) == 0 || len(backends) == 0 {
		t.Fatalf("%d routes, %d deployments, %d paths", len(all), len(roles), len(backends))
	}
	for _, pattern := range all {
		_, path, _ := strings.Cut(pattern, " ")
		longest := ""
		for prefix := range backends {
			if (path == prefix || strings.HasPrefix(path, prefix+"/")) && len(prefix) > len(longest) {
				longest = prefix
			}
		}
		backend := backends[longest]
		if !slices.Contains(served(roles[backend]...), pattern) {
			t.Errorf("%s is led to %q, whose roles are %v", pattern, backend, roles[backend])
		}
	}
}
