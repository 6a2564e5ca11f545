package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// wordMeasures are the measures that are a word, each with the words that a condition may name. UNDECIDED is left out: what
// was not decided is never what somebody expected.
var wordMeasures = map[string][]string{
	"stability": {"STABLE", "RECOVERING", "METASTABLE", "BROKEN"},
}

// WordMeasures are the measures that are compared with words, and the words that each accepts.
func WordMeasures() map[string][]string { return maps.Clone(wordMeasures) }

func wordMeasureNames() string { return strings.Join(slices.Sorted(maps.Keys(wordMeasures)), ", ") }

// wordCondition reads one word or a list of words.
func (r *reader) wordCondition(n *yaml.Node, path string, accepted []string) (c Condition, ok bool) {
	wants := "one or more of " + strings.Join(accepted, ", ")
	items := []*yaml.Node{n}
	listed := n.Kind == yaml.SequenceNode
	if listed {
		items = n.Content
		if len(items) == 0 {
			r.report(n, path, "is an empty list", "wants "+wants)
			return c, false
		}
	}
	ok = true
	for i, item := range items {
		at := path
		if listed {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		word, read := r.scalar(item, at, wants)
		switch {
		case !read:
			ok = false
			continue
		case word == "UNDECIDED":
			r.report(item, at, "UNDECIDED cannot be expected", "a run that decides nothing proves nothing; wants "+wants)
		case !slices.Contains(accepted, word):
			hint := "wants " + wants
			if near := strings.ToUpper(word); slices.Contains(accepted, near) {
				hint = "did you mean " + near + "?"
			}
			r.report(item, at, quote(word)+" is none of its words", hint)
		case slices.Contains(c.Words, word):
			r.report(item, at, quote(word)+" is given twice", "")
		default:
			c.Words = append(c.Words, word)
			continue
		}
		ok = false
	}
	c.Text = strings.Join(c.Words, " or ")
	return c, ok
}

// wordSchemas is what an editor checks of them.
func wordSchemas() object {
	schemas := object{}
	for name, accepted := range wordMeasures {
		schemas[name] = object{"oneOf": []any{
			object{"enum": accepted},
			object{"type": "array", "minItems": 1, "uniqueItems": true, "items": object{"enum": accepted}},
		}}
	}
	return schemas
}
