package scenarios

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

//go:embed *.yaml
var files embed.FS

// Known is what a scenario may name but does not define itself. This package imports neither the service nor the
// reports, so whoever loads says what there is. A nil field accepts every well-formed name.
type Known struct {
	// Switches are the service's switches by dotted name ("callback.workers"). The function, when not nil, returns why
	// the service would not take a value.
	Switches map[string]func(value string) error
	// Measures are what expect and signature can name ("notify.p99").
	Measures []string
	// Faults are what can be injected, each with the names of its parameters. Empty and not nil: nothing can.
	Faults map[string][]string
	// CheckFault, when not nil, returns why a fault of a known kind, with known parameters, cannot be in a topology, nil
	// for one that is not known yet: field is "on", "inject" or the parameter that is wrong.
	CheckFault func(t *Topology, on, inject string, params map[string]string) (field string, err error)
}

// Load reads one scenario. file names it in messages; its base without .yaml must be the scenario's name. The error is
// [Problems]: every mistake at once, each with its place.
func Load(file string, src []byte, known Known) (*Scenario, error) {
	r := &reader{file: file, known: known, places: map[string]*yaml.Node{}, wants: strings.Join(required(), ", ")}
	root := r.parse(src)
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	s := defaults()
	r.mapping(root, "", fileFields(&s), nil)
	s.settle()
	if want := strings.TrimSuffix(filepath.Base(file), ".yaml"); s.Name != "" && s.Name != want {
		r.report(r.place("name", root), "name", fmt.Sprintf("%s is not the file's name", s.Name), "did you mean "+cut(want)+"?")
	}
	for i := range s.Faults {
		r.checkFault(&s.Faults[i], &s.Topology, fmt.Sprintf("faults[%d]", i), root)
	}
	if len(r.problems) == 0 {
		// Contradictions are looked for only between fields that were all understood; otherwise a slip in one field
		// would be told again as a strange figure in another.
		for _, f := range s.check() {
			r.report(r.place(f.path, root), f.path, f.what, f.hint)
		}
	}
	if len(r.problems) > 0 {
		return nil, r.problems.sorted()
	}
	return &s, nil
}

// LoadFile reads a scenario from disk. A file that cannot be read yields that error, not [Problems].
func LoadFile(path string, known Known) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the scenario: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, fileMaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the scenario: %w", err)
	}
	return Load(path, src, known)
}

// Names are the catalogue's scenarios, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the files are in the executable
	}
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	slices.Sort(list)
	return list
}

// Catalogue loads every scenario that comes with lunchrush, sorted by name.
func Catalogue(known Known) ([]*Scenario, error) {
	var list []*Scenario
	var problems Problems
	for _, name := range Names() {
		s, err := Find(name, known)
		var ps Problems
		switch {
		case errors.As(err, &ps):
			problems = append(problems, ps...)
		case err != nil:
			return nil, err
		default:
			list = append(list, s)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return list, nil
}

// Find loads a scenario of the catalogue by its name, or a file by its path (anything with a slash or ending in .yaml).
func Find(nameOrPath string, known Known) (*Scenario, error) {
	if strings.ContainsRune(nameOrPath, '/') || strings.HasSuffix(nameOrPath, ".yaml") {
		return LoadFile(nameOrPath, known)
	}
	src, err := Source(nameOrPath)
	if err != nil {
		return nil, err
	}
	return Load("scenarios/"+nameOrPath+".yaml", src, known)
}

// Source is the text of a catalogue file.
func Source(name string) ([]byte, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("there is no scenario %s; %s", quote(name), maybe(name, Names()))
	}
	return files.ReadFile(name + ".yaml")
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?`)

// parse makes the tree of nodes, or notes why there is none.
func (r *reader) parse(src []byte) *yaml.Node {
	switch {
	case len(src) > fileMaxBytes:
		r.report(nil, "", fmt.Sprintf("is larger than %d KiB", fileMaxBytes>>10), "")
		return nil
	case !utf8.Valid(src):
		r.report(at(badByte(src)), "", "is not UTF-8", "save the file as UTF-8")
		return nil
	}
	if n := deepest(src); n != nil {
		r.report(n, "", fmt.Sprintf("is nested deeper than %d", depthMax), "")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.report(at(1, 1), "", "is empty", "wants "+r.wants)
		return nil
	case err != nil:
		r.syntax(err)
		return nil
	}
	switch err := dec.Decode(&more); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(err)
		return nil
	default:
		r.report(&more, "", "holds a second document", "one file is one scenario; remove the ---")
		return nil
	}
	root := doc.Content[0]
	switch {
	case root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		r.report(at(1, 1), "", "is empty", "wants "+r.wants)
	case !r.refused(root, "", "a mapping") && root.Kind != yaml.MappingNode:
		r.report(root, "", "is "+kindOf(root), "wants a mapping of "+r.wants)
	}
	return root
}

// syntax notes what the YAML parser could not read. It stops at its first mistake and tells the line only.
func (r *reader) syntax(err error) {
	text := err.Error()
	line := 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = strings.TrimPrefix(text, m[0])
		if m[1] != "" {
			line, _ = strconv.Atoi(m[1])
		}
	}
	r.report(at(line, 1), "", "is not YAML", text)
}

func required() []string {
	var list []string
	for _, f := range fileFields(new(Scenario)) {
		if f.required {
			list = append(list, f.name)
		}
	}
	return list
}

func at(line, col int) *yaml.Node { return &yaml.Node{Line: line, Column: col} }

// badByte is the line and the column of the first byte that is not UTF-8.
func badByte(src []byte) (line, col int) {
	line, col = 1, 1
	for len(src) > 0 {
		c, size := utf8.DecodeRune(src)
		if c == utf8.RuneError && size == 1 {
			break
		}
		col++
		if c == '\n' {
			line, col = line+1, 1
		}
		src = src[size:]
	}
	return line, col
}

// depthMax is far more than the four levels that a scenario has.
const depthMax = 20

// deepest finds where brackets open deeper than a scenario can need, before the YAML parser, which recurses, is let at
// them. It may count a bracket in a text, which does no harm: nobody writes twenty of them. Depth by indentation needs
// n*n/2 bytes for n levels, so the limit on the file bounds that.
func deepest(src []byte) *yaml.Node {
	depth, line, col := 0, 1, 0
	for _, c := range src {
		col++
		switch c {
		case '\n':
			line, col = line+1, 0
		case '[', '{':
			if depth++; depth > depthMax {
				return at(line, col)
			}
		case ']', '}':
			depth = max(depth-1, 0)
		}
	}
	return nil
}
