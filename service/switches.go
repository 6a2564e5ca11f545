package service

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Switch describes one switch of [Profile].
type Switch struct {
	Key      string // "callback.workers"
	Type     string // "word", "count", "duration", "durations", "bool"
	Accepts  string // "row, table"; "a whole number >= 1"
	Default  string // the hardened value
	Doc      string
	Incident string // the documented failures that it brings back
}

// Switches lists every switch in the order of [Profile].
func Switches() []Switch {
	var list []Switch
	c := Default()
	for f := range c.fields() {
		list = append(list, Switch{
			Key: f.key, Type: f.kind(), Accepts: f.accepts(), Default: f.text(),
			Doc: f.tag.Get("doc"), Incident: f.tag.Get("incident"),
		})
	}
	return list
}

// Effective is every switch with its value as text. It holds no address and no key.
func (c *Config) Effective() map[string]string {
	values := make(map[string]string)
	for f := range c.fields() {
		values[f.key] = f.text()
	}
	return values
}

// Set sets one switch by its dotted name. Durations are written "90s", lists of them "10s 1m 5m", "none" is a duration
// of zero.
func (c *Config) Set(key, value string) error {
	var keys []string
	for f := range c.fields() {
		if f.key == key || f.path == key {
			if err := f.set(value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			return nil
		}
		keys = append(keys, f.key)
	}
	return fmt.Errorf("%s: no such switch; did you mean %s?", key, nearest(key, keys))
}

// A field is one switch of a Config, addressable.
type field struct {
	key, path string
	tag       reflect.StructTag
	value     reflect.Value
}

func (c *Config) fields() func(yield func(field) bool) {
	return func(yield func(field) bool) { walk(reflect.ValueOf(&c.Switches).Elem(), "", yield) }
}

func walk(v reflect.Value, prefix string, yield func(field) bool) bool {
	for i := range v.NumField() {
		t := v.Type().Field(i)
		name, _, _ := strings.Cut(t.Tag.Get("yaml"), ",")
		path := prefix + name
		if v.Field(i).Kind() == reflect.Struct {
			if !walk(v.Field(i), path+".", yield) {
				return false
			}
			continue
		}
		key := path
		if k := t.Tag.Get("key"); k != "" {
			key = k
		}
		if !yield(field{key: key, path: path, tag: t.Tag, value: v.Field(i)}) {
			return false
		}
	}
	return true
}

func (f field) kind() string {
	switch f.value.Interface().(type) {
	case string:
		return "word"
	case int:
		return "count"
	case bool:
		return "bool"
	case time.Duration:
		return "duration"
	default:
		return "durations"
	}
}

func (f field) accepts() string {
	low := f.tag.Get("min")
	switch f.kind() {
	case "word":
		return strings.Join(strings.Split(f.tag.Get("accepts"), "|"), ", ")
	case "count":
		return "a whole number >= " + low
	case "bool":
		return "true, false"
	case "duration":
		return "a duration >= " + low
	default:
		return "durations, as 10s 1m 5m"
	}
}

func (f field) text() string {
	switch v := f.value.Interface().(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	case time.Duration:
		return durationText(v)
	case []time.Duration:
		texts := make([]string, len(v))
		for i, d := range v {
			texts[i] = durationText(d)
		}
		return strings.Join(texts, " ")
	default:
		return fmt.Sprint(v)
	}
}

// durationText writes 1h, not 1h0m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (f field) set(text string) error {
	text = strings.TrimSpace(text)
	switch f.kind() {
	case "word":
		f.value.SetString(text)
	case "count":
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not %s", text, f.accepts())
		}
		f.value.SetInt(int64(n))
	case "bool":
		switch text {
		case "true", On:
			f.value.SetBool(true)
		case "false", Off:
			f.value.SetBool(false)
		default:
			return fmt.Errorf("%q is not one of %s", text, f.accepts())
		}
	case "duration":
		d, err := parseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not %s", text, f.accepts())
		}
		f.value.SetInt(int64(d))
	default:
		var list []time.Duration
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '[' || r == ']' }) {
			d, err := parseDuration(word)
			if err != nil {
				return fmt.Errorf("%q is not a duration", word)
			}
			list = append(list, d)
		}
		f.value.Set(reflect.ValueOf(list))
	}
	return f.check()
}

func parseDuration(text string) (time.Duration, error) {
	if text == None {
		return 0, nil
	}
	return time.ParseDuration(text)
}

// check tells what is wrong with the value by itself.
func (f field) check() error {
	low := f.tag.Get("min")
	switch v := f.value.Interface().(type) {
	case string:
		if words := strings.Split(f.tag.Get("accepts"), "|"); !slices.Contains(words, v) {
			return fmt.Errorf("%q is not one of %s", v, f.accepts())
		}
	case int:
		if n, err := strconv.Atoi(low); err != nil || v < n {
			return fmt.Errorf("%d is not %s", v, f.accepts())
		}
	case time.Duration:
		if d, err := time.ParseDuration(low); err != nil || v < d {
			return fmt.Errorf("%s is not %s", durationText(v), f.accepts())
		}
	case []time.Duration:
		for i, d := range v {
			if d <= 0 {
				return fmt.Errorf("step %d is %s: each must be longer than 0", i+1, durationText(d))
			}
		}
	}
	return nil
}

// nearest is the key with the smallest edit distance to key.
func nearest(key string, keys []string) string {
	best, least := "", 1<<30
	for _, k := range keys {
		if d := distance(key, k); d < least {
			best, least = k, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
