package scenarios

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the generated files anew")

// current compares a generated file with what the code generates now, or writes it with -update.
func current(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale; make golden writes it anew\n%s", path, diff)
	}
}

func TestSchemaFileIsCurrent(t *testing.T) {
	current(t, "scenario.schema.json", Schema())
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scenario.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("scenario.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON is what an editor hands to a JSON Schema validator for a YAML file.
func asJSON(t testing.TB, src []byte) any {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal(src, &tree); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestSchemaTakesTheCatalogue(t *testing.T) {
	schema := compileSchema(t)
	for _, name := range Names() {
		src, err := Source(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(t, src)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A mistake of one field's own is found while it is typed; contradictions between fields are left to the loader.
func TestSchemaRefusesWhatTheLoaderRefuses(t *testing.T) {
	schema := compileSchema(t)
	tests := []struct{ name, src string }{
		{"a misspelt block", with("payment: {wechat: 70%}")},
		{"a misspelt field deep down", with("payments: {notify: {duplicate: 2%}}")},
		{"a missing block", swap("fleet", "")},
		{"a duration without a unit", with("drain: 3")},
		{"a delay of a wrong unit", with("payments: {think: 3sec}")},
		{"a share without its sign", with("buyers: {late: 0.5}")},
		{"a time of day that is none", swap("clock", `clock: {from: "11h00", to: "12:00"}`)},
		{"a number in quotes", swap("fleet", `fleet: {machines: "600"}`)},
		{"no machine", swap("fleet", "fleet: {machines: 0}")},
		{"a word that is not known", with("needs: [inodb]")},
		{"a condition without its comparison", swap("expect", "expect: {loss.total: zero}")},
		{"a peak without its height", swap("demand", `demand: {per_machine_hour: 6, peaks: [{from: "11:10", to: "11:20"}]}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Load("x.yaml", []byte(tt.src), Known{}); err == nil {
				t.Error("the loader takes it")
			}
			if err := schema.Validate(asJSON(t, []byte(tt.src))); err == nil {
				t.Error("the schema takes it")
			}
		})
	}
}
