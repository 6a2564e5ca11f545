package reports

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var updateSchema = flag.Bool("update-schema", false, "rewrite report.schema.json from the Go types")

// schemaOf derives the schema of a Go type as encoding/json writes it. Unknown fields are refused, so that a field that
// is added without its schema is noticed.
func schemaOf(t reflect.Type, defs map[string]any) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[Class]():
		return map[string]any{"type": "string", "enum": classes}
	}
	switch t.Kind() {
	case reflect.Struct:
		if _, ok := defs[t.Name()]; !ok {
			properties, required := map[string]any{}, []string{}
			defs[t.Name()] = nil // it may contain itself
			for field := range t.Fields() {
				if !field.IsExported() {
					continue
				}
				name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
				if name == "" {
					panic(t.Name() + "." + field.Name + " has no JSON name")
				}
				p := schemaOf(field.Type, defs)
				switch enum := enums[t.Name()+"."+name]; {
				case enum != nil:
					p["enum"] = enum
				case field.Type.Kind() == reflect.Slice || field.Type.Kind() == reflect.Map:
					if run := t.Name() == "Manifest"; run { // as the harness left it
						p["type"] = []string{p["type"].(string), "null"}
					}
				}
				properties[name] = p
				if options == "" {
					required = append(required, name)
				}
			}
			slices.Sort(required)
			defs[t.Name()] = map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	case reflect.Pointer: // left out when it is nil
		return schemaOf(t.Elem(), defs)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), defs)}
	case reflect.Map:
		m := map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem(), defs)}
		if t.Key() == reflect.TypeFor[Class]() {
			m["propertyNames"] = map[string]any{"enum": classes}
		}
		return m
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Interface:
		return map[string]any{}
	}
	panic("no schema for " + t.String())
}

var enums = map[string][]any{
	"Verdict.outcome":       {Pass, Fail, Inconclusive},
	"Verdict.exit_code":     {ExitPass, ExitInconclusive, ExitViolated, ExitMissed},
	"Check.status":          {passed, failed, unknown},
	"Latency.kind":          {"create", "notify", "result", "heartbeat", "probe", "browse", "bid", "message", "reprice", "upload"},
	"Measure.unit":          {"", "ns", "share", "rows/s", "fen", "cores", "bytes", "word"},
	"Stability.class":       {Stable, Recovering, Suspect, Metastable, Broken, Undecided},
	"Phase.name":            {"baseline", "in-flight", "trigger", "after", "kick", "restored"},
	"Row.says":              {Improved, Worsened, Changed, Same},
	"Row.better":            {LowerBetter, HigherBetter, NoBetter},
	"Row.unit":              {"", "ns", "share", "rows/s", "fen", "cores", "bytes", "word"},
	"Group.name":            {"A", "B"},
	"Moment.who":            {"buyer", "channel", "machine", "service", "report"},
	"GateVerdict.outcome":   {Pass, Fail, Inconclusive},
	"GateVerdict.exit_code": {ExitPass, ExitRegression, ExitInconclusive, ExitViolated},
	"GateMeasure.status":    {Pass, Fail, Inconclusive, NotJudged},
	"GateMeasure.unit":      {"ns", "share"},
	"GateMeasure.better":    {"less", "more"},
	"GatePair.first":        {SideBase, SideHead},
	"Gate.ended":            {"", "whole", "interrupted", "error"},
}

func TestTheSchemaIsThatOfTheAnalysis(t *testing.T) {
	checkSchema(t, "report.schema.json", Schema, reflect.TypeFor[Analysis](), "report.json of a lunchrush run",
		"Money is integer fen; *_ns are nanoseconds, -1 when they are not known. A check whose status is unknown has not passed.")
}

func TestTheSchemaOfAGate(t *testing.T) {
	checkSchema(t, "gate.schema.json", GateFileSchema, reflect.TypeFor[Gate](), "gate.json of a lunchrush gate",
		"Values are nanoseconds or shares as fractions, as their unit says; changes are of head against base, 0.1 is a tenth more.")
}

func checkSchema(t *testing.T, name string, published []byte, of reflect.Type, title, description string) {
	t.Helper()
	defs := map[string]any{}
	root := schemaOf(of, defs)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://github.com/lunchrush/lunchrush/reports/" + name
	root["title"] = title
	root["description"] = description
	root["$defs"] = defs
	want, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *updateSchema {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(want), string(published)); d != "" {
		t.Errorf("%s is out of date; run go test ./reports -run Schema -update-schema\n%s", name, d)
	}
}

// validate checks what JSON writes of a against the published schema.
func validate(t *testing.T, a *Analysis) {
	t.Helper()
	var b bytes.Buffer
	if err := JSON(&b, a); err != nil {
		t.Fatal(err)
	}
	validateBy(t, Schema, &b)
}

// validateBy checks a document against a published schema.
func validateBy(t *testing.T, published []byte, document io.Reader) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(published))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := jsonschema.UnmarshalJSON(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(got); err != nil {
		t.Error(err)
	}
}
