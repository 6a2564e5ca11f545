package reports

import "embed"

//go:embed templates/capacity.html.tmpl templates/capacity.css
var capacityAssets embed.FS

// CapacitySchemaJSON is the JSON Schema (draft 2020-12) of capacity.json.
//
//go:embed capacity.schema.json
var CapacitySchemaJSON []byte
