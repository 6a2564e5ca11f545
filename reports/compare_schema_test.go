package reports

import (
	"bytes"
	"reflect"
	"testing"
)

func TestTheSchemaIsThatOfTheComparison(t *testing.T) {
	checkSchema(t, "compare.schema.json", CompareSchema, reflect.TypeFor[Comparison](), "what lunchrush compare --format json writes",
		"Figures of the unit ns are nanoseconds, of fen integer fen, of share parts of 1. A measure without p was not tested: needs says how many runs a side it takes.")
	few, err := Compare(sideOf(1, 0, nil), sideOf(1, 1, nil), false)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Comparison{"of recorded runs": recordedComparison(t), "of one run each": few} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := CompareJSON(&b, c); err != nil {
				t.Fatal(err)
			}
			validateBy(t, CompareSchema, &b)
		})
	}
}
