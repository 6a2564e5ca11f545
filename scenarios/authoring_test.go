package scenarios

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	tablesBegin = "<!-- The tables below are generated from scenarios/fields.go by make golden. -->\n"
	tablesEnd   = "<!-- End of the generated tables. -->\n"
)

// fieldTables is the reference part of docs/AUTHORING.md: one table a block, made from the loader's own table.
func fieldTables() string {
	var b strings.Builder
	s := defaults()
	s.settle()
	s.Drain = 0 // depends on refund.after
	var rest []field
	fmt.Fprint(&b, "### The file\n\n| block | wants | what it says |\n|---|---|---|\n")
	for _, f := range fileFields(&s) {
		name := "`" + f.name + "`"
		if f.required {
			name += " *"
		}
		wants := f.wants
		if len(f.fields) > 0 {
			wants = fmt.Sprintf("[below](#%s)", f.name)
			rest = append(rest, f)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, wants, f.doc)
	}
	told := map[string]bool{} // a table that two blocks share is told once
	for len(rest) > 0 {
		block := rest[0]
		rest = rest[1:]
		if told[block.name] {
			continue
		}
		told[block.name] = true
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| field | wants | left out | what it says |\n|---|---|---|---|\n", block.name, block.doc)
		for _, f := range block.fields {
			wants, absent := f.wants, f.text()
			switch {
			case f.table != "": // a word or a mapping
				wants = fmt.Sprintf("%s of [%s](#%s)", f.wants, f.table, f.table)
				rest = append(rest, field{f.table, false, "An upstream's answers to one kind of call.", f.value})
			case len(f.fields) > 0:
				wants = fmt.Sprintf("[below](#%s)", f.name)
				rest = append(rest, f)
			}
			switch {
			case f.required:
				absent = "required"
			case block.name == "peaks" && f.name == "ramp":
				p := newPeak()
				absent = duration(p.Ramp)
			case block.name == "answers" && f.name == "delay":
				absent = "the call's own" // each has another one
			case block.name == "topology" || block.name == "database" || block.name == "faults":
				absent = ""
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, wants, absent, f.doc)
		}
	}
	return b.String()
}

func TestAuthoringGuideListsEveryField(t *testing.T) {
	const path = "../docs/AUTHORING.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(page, []byte(tablesBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(tablesEnd))
	if !ok || !ok2 {
		t.Fatalf("%s has lost the marks around its tables:\n%s%s", path, tablesBegin, tablesEnd)
	}
	current(t, path, []byte(string(before)+tablesBegin+"\n"+fieldTables()+"\n"+tablesEnd+string(after)))
}

// The guide's own examples are scenarios that load.
func TestAuthoringGuideExamplesLoad(t *testing.T) {
	page, err := os.ReadFile("../docs/AUTHORING.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, block := range strings.Split(string(page), "```yaml\n")[1:] {
		src, _, _ := strings.Cut(block, "```")
		name, _, _ := strings.Cut(strings.TrimPrefix(src, "name: "), "\n")
		if _, err := Load(name+".yaml", []byte(src), Known{}); err != nil {
			t.Errorf("an example does not load:\n%v", err)
		}
		examples++
	}
	if examples == 0 {
		t.Error("the guide shows no example")
	}
}

// The guide shows what mistakes in its first example are answered with.
func TestAuthoringGuideShowsTrueMessages(t *testing.T) {
	page, err := os.ReadFile("../docs/AUTHORING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	src, _, _ := strings.Cut(rest, "```")
	src = strings.NewReplacer("times: 4", "time: 4", `"< 1s"`, `"< 1"`).Replace(src)
	_, err = Load("my-peak.yaml", []byte(src), Known{})
	if err == nil {
		t.Fatal("a file with mistakes loads")
	}
	if !strings.Contains(string(page), "```\n"+err.Error()+"\n```\n") {
		t.Errorf("the guide does not show\n%v", err)
	}
}
