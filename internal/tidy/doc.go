// Package tidy holds the rules about this repository's own text, as tests: who may import whom and why, what a file may
// be called and how long it may grow, what must not stand in it.
//
// Each rule prints the reason beside the breach, because a rule whose reason nobody knows is the next one to be broken.
// What a linter checks already is not checked again here.
package tidy
