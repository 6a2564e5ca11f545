package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

func TestMessagesReachAConsumerAndTheRunWaitsForTheLast(t *testing.T) {
	s := smallScenario()
	s.Payments.Probes = 0
	s.Messages = scenarios.Messages{
		PerMachineHour: 180, Batch: 4, Again: 0.1, Limit: 40, Visibility: time.Minute,
		Metering: scenarios.Delay{Kind: "constant", A: time.Millisecond},
	}
	g := newPlayground(t, s, nil)
	settings := g.ServiceSettings()
	paper := newPaperService(t, settings)
	defer paper.close()
	post := func(url string, in, out any) int {
		body, _ := json.Marshal(in)
		resp, err := http.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if out != nil {
			_ = json.Unmarshal(text, out)
		}
		return resp.StatusCode
	}
	seen := map[string]int{}
	consumed := make(chan struct{})
	go func() {
		defer close(consumed)
		for {
			var got struct {
				Messages []struct{ Receipt, Body string }
			}
			if post(settings.QueueURL+"/receive", map[string]int{"max": 10, "wait_ms": 200}, &got) == 0 {
				return // the world has closed
			}
			for _, m := range got.Messages {
				var r struct {
					MessageID string `json:"message_id"`
				}
				_ = json.Unmarshal([]byte(m.Body), &r)
				if status := post(settings.MeteringURL+"/readings", r, nil); status != http.StatusOK {
					t.Errorf("metering answered %d", status)
				}
				seen[r.MessageID]++
				post(settings.QueueURL+"/delete", map[string]string{"receipt": m.Receipt}, nil)
			}
		}
	}()
	out, err := g.Play(t.Context(), paper.target())
	if err != nil || !out.Drained {
		t.Fatalf("outcome %+v, error %v", out, err)
	}
	books := g.records(t)
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	<-consumed
	calls, twice := len(g.cfg.Plan.Calls), 0
	for i := range calls {
		for k := range 4 {
			switch n := seen[fmt.Sprintf("message%06d-%d", i+1, k+1)]; n {
			case 1:
			case 2:
				twice++
			default:
				t.Errorf("message %d of batch %d was consumed %d times", k+1, i+1, n)
			}
		}
	}
	if want := 4 * ((calls + 5) / 10); twice < want-4 || twice > want+4 {
		t.Errorf("%d messages came twice, want about %d", twice, want)
	}
	if len(books[runlog.CallAnswer]) != calls || len(books[runlog.QueueSecond]) == 0 {
		t.Errorf("%d answers of %d sends, and %d seconds of the queue are booked", len(books[runlog.CallAnswer]), calls, len(books[runlog.QueueSecond]))
	}
}
