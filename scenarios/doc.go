// Package scenarios holds the catalogue: one YAML file a scenario, its strict loader, and its JSON Schema.
//
// A file with mistakes yields all of them at once, each with its place and a suggestion, before anything is started.
package scenarios
