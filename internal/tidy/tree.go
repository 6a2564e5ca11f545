package tidy

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Module is the module path whose arrows are kept.
const Module = "github.com/lunchrush/lunchrush"

// A Tree is the repository's text: every file that people write.
type Tree struct {
	root  string
	Files []File
}

// A File is one of them. Syntax is nil for what is not Go.
type File struct {
	Path   string // slashes, from the root
	Text   string
	Syntax *ast.File
	set    *token.FileSet
}

// A Breach is one place where a rule is broken.
type Breach struct {
	Path string
	Line int
	What string
}

func (b Breach) String() string { return fmt.Sprintf("%s:%d: %s", b.Path, b.Line, b.What) }

// Dir is the folder, "." for the root.
func (f File) Dir() string { return path.Dir(f.Path) }

// Test reports whether the file belongs to a package's tests.
func (f File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

func (f File) breach(at token.Pos, format string, args ...any) Breach {
	return Breach{Path: f.Path, Line: f.set.Position(at).Line, What: fmt.Sprintf(format, args...)}
}

// written are the kinds of file that people write here; everything else is generated, fetched or drawn.
var written = []string{".go", ".md", ".yaml", ".yml", ".sh", ".mk", ".sql", ".txt", ".tmpl", ".html", ".css", ".js", ".mod"}

// ReadTree reads the repository at root. Folders that begin with a dot are left out, but for .ci and .github, and so
// is what runs and builds leave behind.
func ReadTree(root string) (*Tree, error) {
	t := &Tree{root: root}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") && rel != "." && rel != ".ci" && rel != ".github"
			if hidden || rel == "bin" || rel == "reports/runs" || d.Name() == "fuzz" {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !isWritten(rel) {
			return nil
		}
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an editor's or a test's file, gone again
		}
		if err != nil {
			return err
		}
		f, err := parse(rel, string(text))
		if err != nil {
			return err
		}
		t.Files = append(t.Files, f)
		return nil
	})
	return t, err
}

func isWritten(rel string) bool {
	base := path.Base(rel)
	return slices.Contains(written, path.Ext(rel)) || base == "Makefile" || base == "Dockerfile" || strings.HasPrefix(rel, ".ci/")
}

// parse makes a File. Go inside testdata is some test's material and not parsed.
func parse(rel, text string) (File, error) {
	f := File{Path: rel, Text: text, set: token.NewFileSet()}
	if path.Ext(rel) != ".go" || strings.Contains(rel, "testdata/") {
		return f, nil
	}
	syntax, err := parser.ParseFile(f.set, rel, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return f, err
	}
	f.Syntax = syntax
	return f, nil
}

// lines yields the file's lines, counted from 1.
func (f File) lines() func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		for i, l := range strings.Split(f.Text, "\n") {
			if !yield(i+1, l) {
				return
			}
		}
	}
}
