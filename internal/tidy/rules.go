package tidy

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Rule finds every breach of one habit.
type Rule struct {
	Name string
	Why  string
	Find func(*Tree) []Breach
}

// Rules are all of them.
var Rules = []Rule{
	{"imports follow the arrows", "see docs/ARCHITECTURE.md", keepArrows},
	{"packages are named for what they hold", "a drawer without a label fills with anything", nameWell},
	{"each package says what it is, once", "the package comment is its promise; two are two promises", introduce},
	{"nothing runs before main", "an init cannot be tested, ordered, or left out; use an explicit list", noInit},
	{"files are read in one sitting", "past 600 lines a file holds more than one idea; split it by idea", keepShort},
	{"no path of one machine", "it is wrong on every other; take it from a flag, the environment, or os.TempDir", noMachinePaths},
	{"nothing is left for later", "a note in the code is an issue that nobody sees; do it or open one", nothingLeft},
	{"tests do not sleep", "a sleep is too short on a slow machine and too long on all others; poll with a deadline, or use testing/synctest", noSleep},
	{"chance is seeded", "math/rand is seeded by nobody; math/rand/v2 with a stream per component replays", seeded},
	{"links lead somewhere", "a page that was moved takes its readers with it", linksLead},
}

func (t *Tree) each(find func(File) []Breach) []Breach {
	var found []Breach
	for _, f := range t.Files {
		found = append(found, find(f)...)
	}
	return found
}

func nameWell(t *Tree) []Breach {
	bad := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "manager", "managers", "lib", "stuff", "types"}
	return t.each(func(f File) []Breach {
		if f.Syntax == nil {
			return nil
		}
		name := strings.TrimSuffix(f.Syntax.Name.Name, "_test")
		for _, n := range []string{name, path.Base(f.Dir()), strings.TrimSuffix(path.Base(f.Path), ".go")} {
			if slices.Contains(bad, n) {
				return []Breach{f.breach(f.Syntax.Name.Pos(), "%s says nothing about what is inside", n)}
			}
		}
		return nil
	})
}

func introduce(t *Tree) []Breach {
	first := map[string]File{}
	spoken := map[string][]File{}
	for _, f := range t.Files {
		if f.Syntax == nil || f.Test() {
			continue
		}
		dir := f.Dir()
		if _, ok := first[dir]; !ok {
			first[dir] = f
		}
		if f.Syntax.Doc.Text() != "" {
			spoken[dir] = append(spoken[dir], f)
		}
	}
	var found []Breach
	for _, dir := range slices.Sorted(maps.Keys(first)) {
		switch files := spoken[dir]; {
		case len(files) == 0:
			f := first[dir]
			found = append(found, f.breach(f.Syntax.Package, "package %s has no comment that says what it is", f.Syntax.Name.Name))
		case len(files) > 1:
			for _, f := range files[1:] {
				found = append(found, f.breach(f.Syntax.Package, "package %s is introduced in %s already", f.Syntax.Name.Name, path.Base(files[0].Path)))
			}
		}
	}
	return found
}

func noInit(t *Tree) []Breach {
	return t.each(func(f File) []Breach {
		var found []Breach
		if f.Syntax == nil {
			return nil
		}
		for _, d := range f.Syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, f.breach(fn.Pos(), "func init"))
			}
		}
		return found
	})
}

// LinesMax is the length of the longest Go file.
const LinesMax = 600

func keepShort(t *Tree) []Breach {
	return t.each(func(f File) []Breach {
		if n := strings.Count(f.Text, "\n"); path.Ext(f.Path) == ".go" && n > LinesMax {
			return []Breach{{f.Path, n, fmt.Sprintf("%d lines", n)}}
		}
		return nil
	})
}

// The patterns are put together from pieces, so that this file does not break its own rules.
var (
	machinePath = regexp.MustCompile(`(?:^|[^\w.$}/-])(/(?:` + `work|home|Users|root|mnt|build|builds)/[\w.-]+)`)
	leftOver    = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)
	link        = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

func noMachinePaths(t *Tree) []Breach {
	return t.each(func(f File) []Breach {
		var found []Breach
		for n, l := range f.lines() {
			if m := machinePath.FindStringSubmatch(l); m != nil {
				found = append(found, Breach{f.Path, n, m[1]})
			}
		}
		return found
	})
}

func nothingLeft(t *Tree) []Breach {
	return t.each(func(f File) []Breach {
		var found []Breach
		for n, l := range f.lines() {
			if m := leftOver.FindString(l); m != "" {
				found = append(found, Breach{f.Path, n, m})
			}
		}
		return found
	})
}

// noSleep finds time.Sleep in tests. In a file that uses testing/synctest sleeping is how virtual time passes, and a
// benchmark may have to let real time pass to measure what happens in it.
func noSleep(t *Tree) []Breach {
	return t.each(func(f File) []Breach {
		if f.Syntax == nil || !f.Test() || imports(f, "testing/synctest") {
			return nil
		}
		var found []Breach
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			if fn, ok := n.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Benchmark") {
				return false
			}
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
					found = append(found, f.breach(sel.Pos(), "time.Sleep"))
				}
			}
			return true
		})
		return found
	})
}

func seeded(t *Tree) []Breach {
	return t.each(func(f File) []Breach {
		if f.Syntax != nil && imports(f, "math/rand") {
			return []Breach{f.breach(f.Syntax.Package, "imports math/rand")}
		}
		return nil
	})
}

func imports(f File, name string) bool {
	return slices.ContainsFunc(f.Syntax.Imports, func(spec *ast.ImportSpec) bool {
		got, err := strconv.Unquote(spec.Path.Value)
		return err == nil && got == name
	})
}

// linksLead checks the relative links of every page; those to other sites are their owners' business.
func linksLead(t *Tree) []Breach {
	return t.each(func(f File) []Breach {
		if path.Ext(f.Path) != ".md" || strings.Contains(f.Path, "testdata/") {
			return nil
		}
		var found []Breach
		for n, l := range f.lines() {
			for _, m := range link.FindAllStringSubmatch(l, -1) {
				target, _, _ := strings.Cut(m[1], "#")
				if target == "" || strings.Contains(target, "://") {
					continue
				}
				if _, err := os.Stat(filepath.Join(t.root, filepath.FromSlash(path.Join(f.Dir(), target)))); err != nil {
					found = append(found, Breach{f.Path, n, "there is no " + target})
				}
			}
		}
		return found
	})
}
