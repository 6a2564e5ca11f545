package runlog

import (
	"encoding/json"
	"math"
	"strings"
)

// ParseRecord reads one line of a book, without its newline. Its strings share line's memory: clone what outlives many
// records.
//
// Lines as [AppendRecord] writes them are read by hand; every other spelling of the same JSON is left to encoding/json,
// so that both accept the same books.
func ParseRecord(line string) (r Record, err error) {
	if parsePlain(line, &r) {
		return r, nil
	}
	return parseAny(line)
}

// parseAny is apart from ParseRecord so that only what comes here is allocated.
func parseAny(line string) (Record, error) {
	var r Record
	err := json.Unmarshal([]byte(line), &r)
	return r, err
}

// parsePlain reads the shape that AppendRecord writes. It reports false, with r half filled, for anything else.
func parsePlain(s string, r *Record) bool {
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return false
	}
	s = s[1:]
	for {
		// "name":
		if len(s) < 4 || s[0] != '"' {
			return false
		}
		colon := strings.IndexByte(s, ':')
		if colon < 3 || s[colon-1] != '"' {
			return false
		}
		name := s[1 : colon-1]
		s = s[colon+1:]
		if s == "" {
			return false
		}

		var (
			text string
			n    int64
			ok   bool
		)
		switch c := s[0]; {
		case c == '"':
			field := r.text(name)
			if field == nil {
				if name != "e" {
					return false
				}
				if text, s, ok = plainText(s); !ok {
					return false
				}
				r.Event = Event(text)
				break
			}
			if *field, s, ok = plainText(s); !ok {
				return false
			}
		case c == '-' || c >= '0' && c <= '9':
			if n, s, ok = plainInt(s); !ok || !r.setInt(name, n) {
				return false
			}
		case name == "ok" && strings.HasPrefix(s, "true"):
			r.OK, s = true, s[len("true"):]
		default:
			return false
		}
		switch {
		case s == "}":
			return true
		case s == "" || s[0] != ',':
			return false
		}
		s = s[1:]
	}
}

func (r *Record) text(name string) *string {
	switch name {
	case "k":
		return &r.Key
	case "o":
		return &r.Order
	case "m":
		return &r.Machine
	case "c":
		return &r.Channel
	case "i":
		return &r.ID
	case "x":
		return &r.Txn
	case "w":
		return &r.Note
	}
	return nil
}

func (r *Record) setInt(name string, n int64) bool {
	switch name {
	case "t":
		r.At = n
	case "s":
		r.Slot = int(n)
	case "f":
		r.Fen = n
	case "p":
		r.Paid = n
	case "n":
		r.N = int(n)
	case "st":
		r.Status = int(n)
	case "d":
		r.Due = n
	case "tk":
		r.Took = n
	case "cms":
		r.CreatedMS = n
	case "pms":
		r.PaidMS = n
	case "dms":
		r.DoneMS = n
	case "ts":
		r.TakenSeq = n
	case "rs":
		r.ReturnedSeq = n
	default:
		return false
	}
	return true
}

// plainText reads a quoted string without escapes and gives what follows it.
func plainText(s string) (text, rest string, ok bool) {
	end := strings.IndexByte(s[1:], '"') + 1
	if end == 0 {
		return "", s, false
	}
	text = s[1:end]
	for i := range len(text) {
		if !plain(text[i]) {
			return "", s, false
		}
	}
	return text, s[end+1:], true
}

// plainInt reads a JSON integer and gives what follows it.
func plainInt(s string) (n int64, rest string, ok bool) {
	i, neg := 0, s[0] == '-'
	if neg {
		i = 1
	}
	first := i
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if n > (math.MaxInt64-9)/10 {
			return 0, s, false // too near the end: encoding/json knows
		}
		n = n*10 + int64(s[i]-'0')
	}
	if i == first || s[first] == '0' && i > first+1 {
		return 0, s, false
	}
	if neg {
		n = -n
	}
	return n, s[i:], true
}
