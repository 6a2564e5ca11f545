package runlog

import (
	"encoding/json"
	"strconv"
)

// AppendRecord appends r to b as one line of JSON, newline included. It writes what encoding/json would (the zero value
// of a field is left out), and is written out by hand because it stands between a send and the wire: encoding/json costs
// about five times as much.
func AppendRecord(b []byte, r *Record) []byte {
	b = append(b, `{"t":`...)
	b = strconv.AppendInt(b, r.At, 10)
	b = append(b, `,"e":`...)
	b = appendString(b, string(r.Event))
	b = appendText(b, `,"k":`, r.Key)
	b = appendText(b, `,"o":`, r.Order)
	b = appendText(b, `,"m":`, r.Machine)
	b = appendInt(b, `,"s":`, int64(r.Slot))
	b = appendText(b, `,"c":`, r.Channel)
	b = appendInt(b, `,"f":`, r.Fen)
	b = appendInt(b, `,"p":`, r.Paid)
	b = appendText(b, `,"i":`, r.ID)
	b = appendText(b, `,"x":`, r.Txn)
	b = appendInt(b, `,"n":`, int64(r.N))
	b = appendInt(b, `,"st":`, int64(r.Status))
	if r.OK {
		b = append(b, `,"ok":true`...)
	}
	b = appendInt(b, `,"d":`, r.Due)
	b = appendInt(b, `,"tk":`, r.Took)
	b = appendInt(b, `,"cms":`, r.CreatedMS)
	b = appendInt(b, `,"pms":`, r.PaidMS)
	b = appendInt(b, `,"dms":`, r.DoneMS)
	b = appendText(b, `,"w":`, r.Note)
	b = appendInt(b, `,"ts":`, r.TakenSeq)
	b = appendInt(b, `,"rs":`, r.ReturnedSeq)
	return append(b, '}', '\n')
}

func appendText(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(append(b, name...), s)
}

func appendInt(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), n, 10)
}

// appendString quotes s. Ids, events and states are plain ASCII; whatever is not goes the long way.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if !plain(s[i]) {
			q, _ := json.Marshal(s) // a string always marshals
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// plain reports whether c stands for itself inside a JSON string.
func plain(c byte) bool { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' }
