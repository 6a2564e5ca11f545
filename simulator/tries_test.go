package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

func TestABuyerAsksAgainWithANewOrderAsOftenAsTheScenarioLets(t *testing.T) {
	tests := []struct {
		name    string
		tries   int
		answers []int // by try; 0: none before his patience ends
		want    []string
	}{
		{"taken at once", 3, []int{201}, []string{"o1 at 0s"}},
		{"turned away, then taken", 3, []int{503, 201}, []string{"o1 at 0s", "o1.2 at 1s"}},
		{"too many, and a gateway that fails", 3, []int{429, 502, 201}, []string{"o1 at 0s", "o1.2 at 1s", "o1.3 at 2s"}},
		{"no answer: his patience and then his pause", 3, []int{0, 0, 0, 201}, []string{"o1 at 0s", "o1.2 at 5s", "o1.3 at 10s"}},
		{"sold out is an answer", 3, []int{409, 201}, []string{"o1 at 0s"}},
		{"who has one try walks on", 1, []int{503, 201}, []string{"o1 at 0s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := &Plan{Orders: []PlanOrder{{Key: "o1", Machine: "m00001", Slot: 1, Channel: "wechat", Buyer: BuyerAbandons}}}
				r := newRig(t, plan, &scenarios.Scenario{Buyers: scenarios.Buyers{Patience: 4 * time.Second, Tries: tt.tries, Again: time.Second}})
				var mu sync.Mutex
				var asked []string
				r.service = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					var in struct {
						RequestID string `json:"request_id"`
					}
					if err := json.NewDecoder(q.Body).Decode(&in); err != nil {
						t.Error(err)
					}
					mu.Lock()
					status := tt.answers[len(asked)]
					asked = append(asked, fmt.Sprintf("%s at %s", in.RequestID, r.now()))
					mu.Unlock()
					if status == 0 {
						<-q.Context().Done()
						return
					}
					w.WriteHeader(status)
					fmt.Fprintf(w, `{"order_id":"s-%s"}`, in.RequestID)
				})
				b := &buyers{st: r.stage}
				if err := b.order(&plan.Orders[0], 0); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if !slices.Equal(asked, tt.want) || b.busy.Load() != 0 {
					t.Errorf("asked %q, want %q; %d still busy", asked, tt.want, b.busy.Load())
				}
				intents := 0
				for _, rec := range r.log {
					if rec.Event == runlog.BuyerIntent {
						intents++
					}
				}
				if intents != len(tt.want) {
					t.Errorf("%d intents are booked", intents)
				}
				if last := tt.answers[len(tt.want)-1]; last == 201 {
					id, _, _ := strings.Cut(asked[len(asked)-1], " ")
					if o := r.orders.order("s-" + id); o != &plan.Orders[0] {
						t.Errorf("the order is not bound to its plan")
					}
				}
			})
		})
	}
}
