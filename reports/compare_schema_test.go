package reports

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheSchemaIsThatOfTheComparison(t *testing.T) {
	defs := map[string]any{}
	root := schemaOf(reflect.TypeFor[Comparison](), defs)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://github.com/lunchrush/lunchrush/reports/compare.schema.json"
	root["title"] = "what lunchrush compare --format json writes"
	root["description"] = "Figures of the unit ns are nanoseconds, of fen integer fen, of share parts of 1. A measure without p was not tested: needs says how many runs a side it takes."
	root["$defs"] = defs
	want, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *updateSchema {
		if err := os.WriteFile("compare.schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(want), string(CompareSchema)); d != "" {
		t.Errorf("compare.schema.json is out of date; run go test ./reports -run Schema -update-schema\n%s", d)
	}
}
