package mysqlstore_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/lunchrush/lunchrush/service"
)

func TestTheBookTellsOfTheBuyersThatAreBound(t *testing.T) {
	store, _ := open(t)
	told := func() (lines []string) {
		t.Helper()
		must(t, store.Book(t.Context(), func(line any) error {
			text, err := json.Marshal(line)
			lines = append(lines, string(text))
			return err
		}))
		return lines
	}
	if lines := told(); lines[len(lines)-1] != `{"table":"end","orders":0,"buyers":0}` {
		t.Errorf("of nobody the book says %s", lines[len(lines)-1])
	}
	must(t, store.Bind(t.Context(), service.WeChat, "b1", "u1"))
	must(t, store.Bind(t.Context(), service.Alipay, "b1", "u2"))
	must(t, store.Bind(t.Context(), service.WeChat, "b1", "u3"))
	lines := told()
	for _, want := range []string{
		`{"table":"buyer","channel":"wechat","buyer_id":"b1","unionid":"u3"}`, `{"table":"buyer","channel":"alipay","buyer_id":"b1","unionid":"u2"}`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no %s in %q", want, lines)
		}
	}
	if lines[len(lines)-1] != `{"table":"end","orders":0,"buyers":2}` {
		t.Errorf("at the end it says %s", lines[len(lines)-1])
	}
}
