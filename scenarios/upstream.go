package scenarios

import (
	"net/http"
	"time"

	"go.yaml.in/yaml/v3"
)

const delayWants = `a delay such as 300ms, 100ms..2s or "lognormal 180ms 0.4"`

var delaySchema = pattern(`(` + durationPattern + `(\.\.` + durationPattern + `)?|lognormal\s+` + durationPattern + `\s+[0-9]+(\.[0-9]+)?` +
	`|quantiles(\s+` + sharePattern + `=` + durationPattern + `)+)`)

// newUpstream answers well, around a median. Its error is what WeChat Pay answers when it does not know itself.
func newUpstream(median time.Duration) Upstream {
	return Upstream{
		Delay:  Delay{Kind: "lognormal", A: median, SigmaPct: 40},
		Status: http.StatusInternalServerError, Code: "SYSTEM_ERROR",
	}
}

// answers reads an upstream: a delay alone, or a mapping that says more.
func answers(u *Upstream) value {
	fields := answerFields(u)
	only := delay(&u.Delay)
	return value{
		wants:  delayWants + ", or a mapping",
		schema: object{"oneOf": []any{delaySchema, mappingSchema(fields)}},
		fields: fields,
		table:  "answers",
		text:   only.text,
		read: func(r *reader, n *yaml.Node, path string) {
			if n.Kind == yaml.MappingNode {
				r.mapping(n, path, fields, nil)
				return
			}
			only.read(r, n, path)
		},
	}
}

func answerFields(u *Upstream) []field {
	return []field{
		{"delay", false, "Until the answer, an error's too.", delay(&u.Delay)},
		{"errors", false, "Share of calls that are answered with an error.", fraction(&u.Errors)},
		{"status", false, "The error's HTTP status. A 4xx says no, and nothing was done; after a 5xx it was done all the same.", numberOf(&u.Status, 400, 599)},
		{"code", false, "The error's code.", errorCode(&u.Code)},
		{"hang", false, "Share of calls that are taken, carried out and never answered.", fraction(&u.Hang)},
	}
}

const codePattern = `[A-Z][A-Z0-9_]{0,39}`

// errorCode reads a channel's word for what went wrong.
func errorCode(dst *string) value {
	parse := func(text string) (string, error) {
		if !codes.MatchString(text) {
			return "", complain("a code is like SYSTEM_ERROR or A004", "%s is not a code", quote(text))
		}
		return text, nil
	}
	return scalarOf(dst, "a code such as SYSTEM_ERROR", pattern(codePattern), parse, func(s string) string { return s })
}
