package tidy

import (
	"slices"
	"strings"
	"testing"
)

func TestTheRepositoryKeepsItsRules(t *testing.T) {
	tree, err := ReadTree("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) < 50 {
		t.Fatalf("only %d files were read: the rules would pass for want of anything to judge", len(tree.Files))
	}
	for _, rule := range Rules {
		t.Run(rule.Name, func(t *testing.T) {
			for _, b := range rule.Find(tree) {
				t.Errorf("%s (%s)", b, rule.Why)
			}
		})
	}
}

// Each rule is broken here once, and kept once by what looks much like it.
func TestEachRuleFindsItsBreach(t *testing.T) {
	tests := []struct {
		rule string
		name string
		path string
		text string
		want string // "" for a sample that keeps the rule
	}{
		{
			"imports follow the arrows", "the simulator reaches into the service", "simulator/x.go",
			"package simulator\nimport _ \"github.com/lunchrush/lunchrush/service\"\n",
			"simulator/x.go:2: simulator must not import service: the simulator knows the service by its wire protocol only, and writes what happened without judging it",
		},
		{
			"imports follow the arrows", "a package below the simulator does too", "simulator/paysign/x.go",
			"package paysign\nimport _ \"github.com/lunchrush/lunchrush/service/paychan\"\n",
			"simulator/paysign/x.go:2: simulator/paysign must not import service/paychan: the simulator knows the service by its wire protocol only, and writes what happened without judging it",
		},
		{
			"imports follow the arrows", "reports read what the simulator remembers", "reports/x.go",
			"package reports\nimport _ \"github.com/lunchrush/lunchrush/simulator\"\n",
			"reports/x.go:2: reports must not import simulator: playing and judging meet only in the run folder, so that any run can be judged again",
		},
		{
			"imports follow the arrows", "a folder that no arrow covers", "telemetry/x.go", "package telemetry\n",
			"telemetry/x.go:1: telemetry is not in the house: add an arrow for it, with its reason",
		},
		{
			"imports follow the arrows", "a test looks at both ends of the wire", "simulator/x_test.go",
			"package simulator\nimport _ \"github.com/lunchrush/lunchrush/service\"\n", "",
		},
		{
			"imports follow the arrows", "a name that begins like an allowed one is another", "reports/x.go",
			"package reports\nimport _ \"github.com/lunchrush/lunchrush/internal/runlogs\"\n",
			"reports/x.go:2: reports must not import internal/runlogs: playing and judging meet only in the run folder, so that any run can be judged again",
		},
		{
			"imports follow the arrows", "the service below itself", "service/mysqlstore/x.go",
			"package mysqlstore\nimport _ \"github.com/lunchrush/lunchrush/service\"\n", "",
		},
		{"packages are named for what they hold", "a drawer", "service/util/x.go", "package util\n", "service/util/x.go:1: util says nothing about what is inside"},
		{"packages are named for what they hold", "a file that is a drawer", "service/helpers.go", "package service\n", "service/helpers.go:1: helpers says nothing about what is inside"},
		{"packages are named for what they hold", "a word that holds one of them", "service/database.go", "package service\n", ""},
		{"each package says what it is, once", "silence", "chaos/x.go", "package chaos\n", "chaos/x.go:1: package chaos has no comment that says what it is"},
		{"each package says what it is, once", "a licence is no introduction", "chaos/x.go", "// All rights.\n\npackage chaos\n", "chaos/x.go:3: package chaos has no comment that says what it is"},
		{"each package says what it is, once", "an introduction", "chaos/x.go", "// Package chaos breaks links.\npackage chaos\n", ""},
		{"nothing runs before main", "an init", "chaos/x.go", "package chaos\nfunc init() {}\n", "chaos/x.go:2: func init"},
		{"nothing runs before main", "a method of that name", "chaos/x.go", "package chaos\ntype t int\nfunc (t) init() {}\n", ""},
		{"files are read in one sitting", "601 lines", "chaos/x.go", "package chaos\n" + strings.Repeat("\n", 600), "chaos/x.go:601: 601 lines"},
		{"files are read in one sitting", "600 lines", "chaos/x.go", "package chaos\n" + strings.Repeat("\n", 599), ""},
		{"no path of one machine", "somebody's home", "docs/x.md", "run `/home" + "/ann/go/bin/x`\n", "docs/x.md:1: /home" + "/ann"},
		{"no path of one machine", "a path in Go", "chaos/x.go", "package chaos\nconst p = \"/Users" + "/ann\"\n", "chaos/x.go:2: /Users" + "/ann"},
		{"no path of one machine", "a URL with such a word in it", "docs/x.md", "https://example.com/home" + "/page and .work/x\n", ""},
		{"nothing is left for later", "a note", "chaos/x.go", "package chaos\n// TO" + "DO: heal\n", "chaos/x.go:2: TO" + "DO"},
		{"nothing is left for later", "a note in a page", "docs/x.md", "FIX" + "ME\n", "docs/x.md:1: FIX" + "ME"},
		{"nothing is left for later", "a name that holds the letters", "chaos/x.go", "package chaos\nconst methodTO" + "DOWN = 1\n", ""},
		{"tests do not sleep", "a nap", "chaos/x_test.go", "package chaos\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "chaos/x_test.go:3: time.Sleep"},
		{"tests do not sleep", "a benchmark that lets time pass", "chaos/x_test.go", "package chaos\nimport \"time\"\nfunc BenchmarkIdle() { time.Sleep(1) }\n", ""},
		{"tests do not sleep", "virtual time", "chaos/x_test.go", "package chaos\nimport (\n\"testing/synctest\"\n\"time\"\n)\nfunc f() { time.Sleep(1) }\n", ""},
		{"tests do not sleep", "code that is no test", "chaos/x.go", "package chaos\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", ""},
		{"chance is seeded", "the old package", "chaos/x.go", "package chaos\nimport _ \"math/rand\"\n", "chaos/x.go:1: imports math/rand"},
		{"chance is seeded", "the new one", "chaos/x.go", "package chaos\nimport _ \"math/rand/v2\"\n", ""},
		{"links lead somewhere", "a page that is gone", "docs/x.md", "see [there](gone.md#part)\n", "docs/x.md:1: there is no gone.md"},
		{"links lead somewhere", "a page that is there, a part of this one, another site", "docs/x.md", "[a](PROTOCOL.md#x) [b](#y) [c](https://example.com/z) [d](../go.mod)\n", ""},
	}
	tested := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.rule+"/"+tt.name, func(t *testing.T) {
			i := slices.IndexFunc(Rules, func(r Rule) bool { return r.Name == tt.rule })
			if i < 0 {
				t.Fatal("no such rule")
			}
			f, err := parse(tt.path, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, b := range Rules[i].Find(&Tree{root: "../..", Files: []File{f}}) {
				got += b.String()
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			tested[tt.rule] = tested[tt.rule] || got != ""
		})
	}
	for _, r := range Rules {
		if !tested[r.Name] {
			t.Errorf("no sample breaks the rule that %s", r.Name)
		}
	}
}

func TestTwoIntroductionsAreOneTooMany(t *testing.T) {
	a, _ := parse("chaos/a.go", "// Package chaos breaks.\npackage chaos\n")
	b, _ := parse("chaos/b.go", "// Package chaos heals.\npackage chaos\n")
	got := introduce(&Tree{Files: []File{a, b}})
	if len(got) != 1 || got[0].String() != "chaos/b.go:2: package chaos is introduced in a.go already" {
		t.Errorf("got %v", got)
	}
}
