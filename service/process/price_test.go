package process_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestAnOperatorsPriceReachesBuyers(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]int64{"single-flight": 400, "naive": 350} { // as was, the cache tells the old one
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			town := start(t, "cache.mode", mode)
			town.AddMachine("m1", 5)
			look := func() string {
				_, body := town.Do("GET", town.Public+"/v1/machines/m1/slots/1", nil)
				return body
			}
			if body := look(); !strings.Contains(body, "350") {
				t.Fatal(body)
			}
			for range 2 { // the same price again is no mistake
				if status, body := town.Do("POST", town.Internal+"/internal/prices/m1/1", map[string]int{"price_fen": 400}); status != 204 {
					t.Fatalf("a new price: %d %s", status, body)
				}
			}
			if body := look(); !strings.Contains(body, fmt.Sprint(want)) {
				t.Errorf("after the change: %s, wanted %d", body, want)
			}
			for path, body := range map[string]map[string]int{"/internal/prices/m1/9": {"price_fen": 1}, "/internal/prices/m1/x": {"price_fen": 1}} {
				if status, text := town.Do("POST", town.Internal+path, body); status != 404 {
					t.Errorf("%s: %d %s", path, status, text)
				}
			}
			if status, _ := town.Do("POST", town.Internal+"/internal/prices/m1/1", map[string]int{"price_fen": 0}); status != 400 {
				t.Errorf("a price of nothing: %d", status)
			}
			if status, _ := town.Do("GET", town.Public+"/v1/machines/m1/slots/7", nil); status != 404 {
				t.Errorf("a slot that is not there: %d", status)
			}
		})
	}
}
