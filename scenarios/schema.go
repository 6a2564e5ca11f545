package scenarios

import (
	"bytes"
	"encoding/json"
)

// Schema is the JSON Schema of a scenario file, for editors. It checks the shape of what is written; what only the whole
// can tell (a peak outside the clock) is left to the loader.
func Schema() []byte {
	root := mappingSchema(fileFields(new(Scenario)))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://github.com/lunchrush/lunchrush/scenarios/scenario.schema.json"
	root["title"] = "lunchrush scenario"
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		panic(err) // maps of words and numbers
	}
	return out.Bytes()
}

func mappingSchema(fields []field) object {
	properties := object{}
	required := []string{}
	open := false
	for _, f := range fields {
		property := object{"description": f.doc}
		for k, v := range f.schema {
			property[k] = v
		}
		properties[f.name] = property
		if f.required {
			required = append(required, f.name)
		}
		open = open || f.name == "inject" // a fault's further keys are its parameters
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if open {
		schema["additionalProperties"] = object{"type": []string{"string", "number", "boolean"}}
	} else {
		schema["additionalProperties"] = false
	}
	return schema
}
