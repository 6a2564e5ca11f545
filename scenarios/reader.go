package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A reader walks one file's YAML nodes and notes every mistake with its place. It never stops at the first.
//
// It reads nodes rather than decoding into structs, because only nodes keep their places, and because an alias is then
// a node that can be refused instead of a copy that has already been made.
type reader struct {
	file     string
	known    Known
	problems Problems
	places   map[string]*yaml.Node // field path -> where its value stands
	wants    string                // the fields that a file must have
}

func (r *reader) report(n *yaml.Node, path, what, hint string) {
	p := Problem{File: r.file, Field: path, What: what, Hint: hint}
	if n != nil {
		p.Line, p.Col = max(n.Line, 1), max(n.Column, 1)
	}
	r.problems = append(r.problems, p)
}

func (r *reader) complain(n *yaml.Node, path string, err error) {
	c := wrong(err)
	r.report(n, path, c.what, c.hint)
}

// mapping reads the fields of one mapping. extra, when set, is offered the keys that are in no field; it reports
// whether the key was its own.
func (r *reader) mapping(n *yaml.Node, path string, fields []field, extra func(k, v *yaml.Node, path string) bool) {
	if n.Kind != yaml.MappingNode {
		wants := "wants a mapping"
		if len(fields) > 0 {
			wants += " of " + strings.Join(names(fields), ", ")
		}
		r.report(n, path, "is "+kindOf(n), wants)
		return
	}
	seen := map[string]int{}      // field -> its line
	misspelt := map[string]bool{} // fields that are not missing as well
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Anchor != "" || k.Style&yaml.TaggedStyle != 0 {
			r.report(k, path, "a key is "+kindOf(k), "keys are plain words")
			continue
		}
		if k.Tag == "!!merge" {
			r.report(k, join(path, "<<"), "merge keys are not read", "write the fields out")
			continue
		}
		at := join(path, k.Value)
		if line, twice := seen[k.Value]; twice {
			r.report(k, at, fmt.Sprintf("is given twice, first in line %d", line), "")
			continue
		}
		seen[k.Value] = k.Line
		f := slices.IndexFunc(fields, func(f field) bool { return f.name == k.Value })
		switch {
		case f >= 0:
			r.places[at] = v
			if !r.refused(v, at, fields[f].wants) {
				fields[f].read(r, v, at)
			}
		case extra != nil:
			r.places[at] = v
			if !r.refused(v, at, "a value") && !extra(k, v, at) {
				r.report(k, at, "no such field", maybe(k.Value, names(fields)))
			}
		default:
			r.report(k, at, "no such field", maybe(k.Value, names(fields)))
			misspelt[nearest(k.Value, names(fields))] = true
		}
	}
	for _, f := range fields {
		if _, ok := seen[f.name]; f.required && !ok && !misspelt[f.name] {
			r.report(n, join(path, f.name), "is missing", "wants "+f.wants)
		}
	}
}

// refused reports what no field of any kind accepts: aliases, anchors, explicit tags, and nothing at all.
func (r *reader) refused(n *yaml.Node, path, wants string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		r.report(n, path, "aliases are not read", "write the value out")
	case n.Anchor != "":
		r.report(n, path, "anchors are not read", "write the value without &"+cut(n.Anchor))
	case n.Style&yaml.TaggedStyle != 0:
		r.report(n, path, "tags are not read", "write the value without "+cut(n.Tag))
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		r.report(n, path, "is empty", "wants "+wants)
	default:
		return false
	}
	return true
}

func (r *reader) scalar(n *yaml.Node, path, wants string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		r.report(n, path, "is "+kindOf(n), "wants "+wants)
		return "", false
	}
	return n.Value, true
}

func (r *reader) list(n *yaml.Node, path, wants string, most int) bool {
	switch {
	case n.Kind != yaml.SequenceNode:
		r.report(n, path, "is "+kindOf(n), "wants "+wants)
	case len(n.Content) > most:
		r.report(n, path, fmt.Sprintf("has %d items, more than %d", len(n.Content), most), "")
	default:
		return true
	}
	return false
}

func (r *reader) knownSwitch(k *yaml.Node, path string) bool {
	if !dotted.MatchString(k.Value) {
		r.report(k, path, "is not the name of a switch", "switches are named like callback.workers")
		return false
	}
	if r.known.Switches == nil || ForBalancer(k.Value) {
		return true
	}
	if _, ok := r.known.Switches[k.Value]; !ok {
		r.report(k, path, "the service has no such switch", maybe(k.Value, slices.Collect(maps.Keys(r.known.Switches))))
		return false
	}
	return true
}

func (r *reader) knownMeasure(k *yaml.Node, path string) bool {
	if !dotted.MatchString(k.Value) {
		r.report(k, path, "is not the name of a measure", "measures are named like notify.p99")
		return false
	}
	if r.known.Measures != nil && !slices.Contains(r.known.Measures, k.Value) {
		r.report(k, path, "nothing measures this", maybe(k.Value, r.known.Measures))
		return false
	}
	return true
}

// faultParams takes a fault's further keys as the parameters of what it injects.
func (r *reader) faultParams(f *Fault) func(k, v *yaml.Node, path string) bool {
	return func(k, v *yaml.Node, path string) bool {
		if !dotted.MatchString(k.Value) {
			return false
		}
		text, ok := r.scalar(v, path, "a word, a number or a duration")
		if !ok {
			return true
		}
		r.places[path] = k // an unknown parameter is a matter of its name
		if f.Params == nil {
			f.Params = map[string]string{}
		}
		f.Params[k.Value] = text
		return true
	}
}

// place finds where a field stands, or else the nearest thing around it.
func (r *reader) place(path string, root *yaml.Node) *yaml.Node {
	for path != "" {
		if n, ok := r.places[path]; ok {
			return n
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return root
}

func join(path, name string) string {
	if !plain(name) {
		name = quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func plain(name string) bool {
	if name == "" || len(name) > 60 {
		return false
	}
	return !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-<", c)
	})
}

func cut(text string) string {
	if utf8.RuneCountInString(text) > 20 {
		text = string([]rune(text)[:20]) + "..."
	}
	return strings.Trim(strconv.Quote(text), `"`)
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		if n.Tag == "!!null" {
			return "empty"
		}
		return "a single value"
	}
}
