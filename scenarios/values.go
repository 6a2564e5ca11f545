package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A field is one line of the table in fields.go. Loader, JSON Schema and authoring guide are all made from it.
type field struct {
	name     string
	required bool
	doc      string // one sentence for the guide and the schema
	value
}

// A value knows one kind of thing that a file can say: how to read it into place, how to show what stands there, and how
// an editor should check it.
type value struct {
	wants  string         // "a share such as 2%"
	schema map[string]any // JSON Schema
	fields []field        // of a mapping, or of each item of a list
	table  string         // what the guide calls the table of fields, when it is not the field's own name
	read   func(r *reader, n *yaml.Node, path string)
	text   func() string // what stands there, as a file would write it; "" for nothing
}

type object = map[string]any

// scalarOf reads a value that is written as one word by parse.
func scalarOf[T any](dst *T, wants string, schema object, parse func(string) (T, error), show func(T) string) value {
	return value{
		wants:  wants,
		schema: schema,
		read: func(r *reader, n *yaml.Node, path string) {
			text, ok := r.scalar(n, path, wants)
			if !ok {
				return
			}
			v, err := parse(text)
			if err != nil {
				r.complain(n, path, err)
				return
			}
			if n.Tag != "!!str" && n.Tag != "!!int" {
				// What reads like true, 1.5 or 2019-08-04 is something else to an editor that checks by the schema.
				r.report(n, path, fmt.Sprintf("%s is not text", quote(text)), "put it in quotes")
				return
			}
			*dst = v
		},
		text: func() string { return show(*dst) },
	}
}

const (
	pricePattern    = `[0-9]+(\.\.[0-9]+)?`
	durationPattern = `([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+`
	sharePattern    = `[0-9]+(\.[0-9]+)?%`
	clockPattern    = `[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?`
)

func pattern(p string) object { return object{"type": "string", "pattern": "^" + p + "$"} }

func timeOfDay(dst *TimeOfDay) value {
	return scalarOf(dst, `a time of day such as "11:56"`, pattern(clockPattern), ParseTimeOfDay, TimeOfDay.String)
}

func delay(dst *Delay) value {
	return scalarOf(dst, delayWants, delaySchema, ParseDelay, Delay.String)
}

func period(dst *time.Duration, low, high time.Duration) value {
	parse := func(text string) (time.Duration, error) {
		d, err := parseDuration(text)
		if err != nil {
			return 0, err
		}
		if d < low || d > high {
			return 0, complain("", "%s is not between %s and %s", text, duration(low), duration(high))
		}
		return d, nil
	}
	show := func(d time.Duration) string { return duration(d) }
	return scalarOf(dst, "a duration such as 300ms or 1m30s", pattern(durationPattern), parse, show)
}

func fraction(dst *float64) value {
	return scalarOf(dst, "a share such as 2%", pattern(sharePattern), parseShare, share)
}

func prices(dst *[2]int64) value {
	schema := object{"oneOf": []any{object{"type": "integer", "minimum": 1}, pattern(pricePattern)}}
	show := func(p [2]int64) string {
		if p[0] == p[1] {
			return strconv.FormatInt(p[0], 10)
		}
		return fmt.Sprintf("%d..%d", p[0], p[1])
	}
	return scalarOf(dst, "a price in fen such as 300, or a range such as 150..650", schema, parsePrices, show)
}

// numberOf reads an unquoted number between low and high.
func numberOf[T int | float64](dst *T, low, high T) value {
	wants, kind := "a number", "number"
	if _, whole := any(low).(int); whole {
		wants, kind = "a whole number", "integer"
	}
	wants = fmt.Sprintf("%s from %v to %v", wants, low, high)
	return value{
		wants:  wants,
		schema: object{"type": kind, "minimum": low, "maximum": high},
		text:   func() string { return number64(float64(*dst)) },
		read: func(r *reader, n *yaml.Node, path string) {
			text, ok := r.scalar(n, path, wants)
			if !ok {
				return
			}
			x, err := strconv.ParseFloat(text, 64)
			switch {
			case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0:
				r.report(n, path, "is text, wants "+wants, "write it without quotes")
			case err != nil || !decimal.MatchString(text):
				r.report(n, path, fmt.Sprintf("%s is not a number", quote(text)), "wants "+wants)
			case x < float64(low) || x > float64(high):
				r.report(n, path, fmt.Sprintf("%s is not between %v and %v", text, low, high), "")
			case kind == "integer" && x != float64(int(x)):
				r.report(n, path, text+" is not a whole number", "")
			default:
				*dst = T(x)
			}
		},
	}
}

// line reads one line of text for people.
func line(dst *string, maxRunes int) value {
	wants := fmt.Sprintf("a text of at most %d characters", maxRunes)
	return value{
		wants:  wants,
		schema: object{"type": "string", "minLength": 1, "maxLength": maxRunes},
		text:   func() string { return *dst },
		read: func(r *reader, n *yaml.Node, path string) {
			text, ok := r.scalar(n, path, wants)
			switch {
			case !ok:
			case n.Tag != "!!str":
				r.report(n, path, fmt.Sprintf("%s is not text", quote(text)), "put it in quotes")
			case strings.TrimSpace(text) == "":
				r.report(n, path, "is empty", "wants "+wants)
			case utf8.RuneCountInString(text) > maxRunes:
				r.report(n, path, fmt.Sprintf("is longer than %d characters", maxRunes), "")
			case strings.ContainsFunc(text, unicode.IsControl):
				r.report(n, path, "holds a control character or a line break", "")
			default:
				*dst = text
			}
		},
	}
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func scenarioName(dst *string) value {
	parse := func(text string) (string, error) {
		if len(text) > 40 || !namePattern.MatchString(text) {
			return "", complain("", "%s is not a name of small letters, digits and hyphens, 40 at most", quote(text))
		}
		return text, nil
	}
	schema := object{"type": "string", "maxLength": 40, "pattern": namePattern.String()}
	return scalarOf(dst, "the file's name without .yaml", schema, parse, func(s string) string { return s })
}

func oneOf(dst *string, words ...string) value {
	parse := func(text string) (string, error) {
		if !slices.Contains(words, text) {
			return "", complain(maybe(text, words), "%s is not known here", quote(text))
		}
		return text, nil
	}
	return scalarOf(dst, "one of "+strings.Join(words, ", "), object{"enum": words}, parse, func(s string) string { return s })
}

// yesNo is a statement that holds or not.
func yesNo(dst *bool) value {
	const yes, no = "yes", "no"
	parse := func(text string) (bool, error) {
		if text != yes && text != no {
			return false, complain("accepted: no, yes", "%s is neither", quote(text))
		}
		return text == yes, nil
	}
	return scalarOf(dst, "yes or no", object{"enum": []string{no, yes}}, parse, func(b bool) string {
		if b {
			return yes
		}
		return no
	})
}

// group is a mapping with fixed fields.
func group(fields []field) value {
	return value{
		wants:  "a mapping of " + strings.Join(names(fields), ", "),
		schema: mappingSchema(fields),
		fields: fields,
		read:   func(r *reader, n *yaml.Node, path string) { r.mapping(n, path, fields, nil) },
		text:   func() string { return "" },
	}
}

// listOf is a list of mappings with fixed fields.
func listOf[T any](dst *[]T, most int, fresh func() T, fields func(*T) []field) value {
	var sample T
	table := fields(&sample)
	wants := "a list of mappings of " + strings.Join(names(table), ", ")
	return value{
		wants:  wants,
		schema: object{"type": "array", "maxItems": most, "items": mappingSchema(table)},
		fields: table,
		text:   func() string { return "" },
		read: func(r *reader, n *yaml.Node, path string) {
			if !r.list(n, path, wants, most) {
				return
			}
			for i, item := range n.Content {
				at := fmt.Sprintf("%s[%d]", path, i)
				r.places[at] = item
				v := fresh()
				if !r.refused(item, at, "a mapping of "+strings.Join(names(table), ", ")) {
					var extra func(k, v *yaml.Node, path string) bool
					if f, ok := any(&v).(*Fault); ok {
						extra = r.faultParams(f)
					}
					r.mapping(item, at, fields(&v), extra)
				}
				*dst = append(*dst, v)
			}
		},
	}
}

// words is a list of words out of a fixed set.
func words(dst *[]string, accepted ...string) value {
	wants := "a list of " + strings.Join(accepted, ", ")
	return value{
		wants:  wants,
		schema: object{"type": "array", "uniqueItems": true, "items": object{"enum": accepted}},
		text:   func() string { return strings.Join(*dst, ", ") },
		read: func(r *reader, n *yaml.Node, path string) {
			if !r.list(n, path, wants, len(accepted)) {
				return
			}
			for i, item := range n.Content {
				at := fmt.Sprintf("%s[%d]", path, i)
				word, ok := r.scalar(item, at, "one of "+strings.Join(accepted, ", "))
				switch {
				case !ok || r.refused(item, at, wants):
				case !slices.Contains(accepted, word):
					r.report(item, at, fmt.Sprintf("%s is not known here", quote(word)), maybe(word, accepted))
				case slices.Contains(*dst, word):
					r.report(item, at, fmt.Sprintf("%s is given twice", quote(word)), "")
				default:
					*dst = append(*dst, word)
				}
			}
		},
	}
}

// codePlace is a function or a type in a Go file, as Incident.Code has it.
var codePlace = regexp.MustCompile(`^[a-z0-9_/]+\.go:[A-Za-z][A-Za-z0-9]*$`)

// codePlaces is a list of places in the code.
func codePlaces(dst *[]string) value {
	const wants = "a list of places such as service/consumer.go:runLocked"
	return value{
		wants:  wants,
		schema: object{"type": "array", "minItems": 1, "maxItems": codePlacesMax, "uniqueItems": true, "items": pattern(strings.Trim(codePlace.String(), "^$"))},
		text:   func() string { return strings.Join(*dst, ", ") },
		read: func(r *reader, n *yaml.Node, path string) {
			if !r.list(n, path, wants, codePlacesMax) {
				return
			}
			if len(n.Content) == 0 {
				r.report(n, path, "is empty", "wants "+wants)
			}
			for i, item := range n.Content {
				at := fmt.Sprintf("%s[%d]", path, i)
				place, ok := r.scalar(item, at, "a place such as service/consumer.go:runLocked")
				switch {
				case !ok:
				case !codePlace.MatchString(place):
					r.report(item, at, fmt.Sprintf("%s names no function of a Go file", quote(place)), "write it as service/consumer.go:runLocked")
				case slices.Contains(*dst, place):
					r.report(item, at, fmt.Sprintf("%s is given twice", quote(place)), "")
				default:
					*dst = append(*dst, place)
				}
			}
		},
	}
}

// switches is a mapping of the service's switches to values.
func switches(dst *map[string]string) value {
	const wants = `a mapping of the service's switches, such as {callback.workers: 1}`
	return value{
		wants: wants,
		schema: object{
			"type": "object", "propertyNames": pattern(`[a-z][a-z0-9_]*(\.[a-z0-9_]+)*`),
			"additionalProperties": object{"type": []string{"string", "number", "boolean"}},
		},
		text: func() string { return pairs(*dst) },
		read: func(r *reader, n *yaml.Node, path string) {
			r.mapping(n, path, nil, func(k, v *yaml.Node, at string) bool {
				if !r.knownSwitch(k, at) {
					return true
				}
				text, ok := r.scalar(v, at, "a word, a number or a duration")
				if !ok {
					return true
				}
				if ForBalancer(k.Value) {
					if err := new(Balancer).Set(k.Value, text); err != nil {
						r.complain(v, at, err)
						return true
					}
				}
				if check := r.known.Switches[k.Value]; check != nil {
					if err := check(text); err != nil {
						r.complain(v, at, err)
						return true
					}
				}
				if *dst == nil {
					*dst = map[string]string{}
				}
				(*dst)[k.Value] = text
				return true
			})
		},
	}
}

// conditions is a mapping of measures to conditions.
func conditions(dst *map[string]Condition) value {
	const wants = `a mapping of measures to conditions, such as {notify.p99: "< 1s"}`
	return value{
		wants: wants,
		schema: object{
			"type": "object", "propertyNames": pattern(`[a-z][a-z0-9_]*(\.[a-z0-9_]+)*`),
			"properties":           wordSchemas(),
			"additionalProperties": pattern(`\s*(==|!=|<=|>=|<|>)\s*(\S+|[0-9.]+x\s+model)\s*`),
		},
		text: func() string {
			lines := map[string]string{}
			for name, c := range *dst {
				lines[name] = c.Text
			}
			return pairs(lines)
		},
		read: func(r *reader, n *yaml.Node, path string) {
			r.mapping(n, path, nil, func(k, v *yaml.Node, at string) bool {
				known := r.knownMeasure(k, at)
				if accepted, is := wordMeasures[k.Value]; is {
					if c, ok := r.wordCondition(v, at, accepted); ok && known {
						if *dst == nil {
							*dst = map[string]Condition{}
						}
						(*dst)[k.Value] = c
					}
					return true
				}
				if v.Kind == yaml.SequenceNode {
					r.report(v, at, "is a list, and "+k.Value+" is a number", `wants a condition such as "< 1s"; only `+wordMeasureNames()+" is compared with words")
					return true
				}
				text, ok := r.scalar(v, at, `a condition such as "< 1s"`)
				if !ok {
					return true
				}
				c, err := ParseCondition(text)
				if err == nil {
					err = fitting(k.Value, c)
				}
				if err != nil {
					r.complain(v, at, err)
					return true
				}
				if known {
					if *dst == nil {
						*dst = map[string]Condition{}
					}
					(*dst)[k.Value] = c
				}
				return true
			})
		},
	}
}

// fitting complains when a condition cannot be meant for the measure: "notify.p99: < 5" would be five nanoseconds.
func fitting(measure string, c Condition) error {
	last := measure[strings.LastIndex(measure, ".")+1:]
	timed := slices.Contains([]string{"p50", "p90", "p95", "p99", "p999", "max", "drain", "recovery_time"}, last) && measure != "backlog.max" // rows
	if c.Ref == "model" && measure != "recovery_time" {
		return complain("only recovery_time is", "%s cannot be compared with the model's drain time", measure)
	}
	if timed && c.Ref == "" && c.Unit != "duration" && c.Limit != 0 {
		return complain(fmt.Sprintf("write it with a unit, such as %s 1s", c.Op), "%s is a time, %s has no unit of time", measure, quote(c.Text))
	}
	return nil
}

func names(fields []field) []string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.name
	}
	return list
}

func pairs(m map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+": "+m[k])
	}
	return strings.Join(list, ", ")
}

func wrong(err error) complaint {
	var c complaint
	if errors.As(err, &c) {
		return c
	}
	return complaint{what: err.Error()}
}

// word reads one name that is checked elsewhere.
func word(dst *string) value {
	parse := func(text string) (string, error) {
		if len(text) > 40 || !namePattern.MatchString(text) {
			return "", complain("", "%s is not a name", quote(text))
		}
		return text, nil
	}
	return scalarOf(dst, "a name", object{"type": "string", "pattern": namePattern.String()}, parse, func(s string) string { return s })
}
