package sqs

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// receive takes up to n messages at once.
func receive(t testing.TB, q *Queue, n int) []Message {
	t.Helper()
	got, err := q.Receive(t.Context(), n, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAMessageThatIsNotDeletedReappearsAfterItsVisibilityTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(0, 10*time.Minute)
		if _, err := q.Send("a"); err != nil {
			t.Fatal(err)
		}
		first := receive(t, q, 10)
		time.Sleep(10*time.Minute - time.Nanosecond)
		if got := receive(t, q, 10); len(got) != 0 {
			t.Fatalf("%v before its time-out has passed", got)
		}
		time.Sleep(time.Nanosecond)
		again := receive(t, q, 10)
		if len(again) != 1 || again[0].ID != first[0].ID || again[0].Receives != 2 || again[0].Receipt == first[0].Receipt {
			t.Fatalf("first %v, again %v", first, again)
		}
		if q.Delete(first[0].Receipt) || q.Counts().Stale != 1 {
			t.Error("the receipt of the first delivery still deletes")
		}
		if !q.Delete(again[0].Receipt) {
			t.Error("the receipt of the last delivery does not delete")
		}
		time.Sleep(time.Hour)
		if got := receive(t, q, 10); len(got) != 0 {
			t.Errorf("deleted, and there again: %v", got)
		}
	})
}

func TestThePollsAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(3, time.Minute)
		_, _ = q.Send("a", "b", "c", "d")
		held := receive(t, q, 10)
		if len(held) != 3 {
			t.Fatalf("received %d of 4 with a limit of 3", len(held))
		}
		if _, err := q.Receive(t.Context(), 1, 0, 0); !errors.Is(err, ErrOverLimit) {
			t.Fatalf("a short poll at the limit: %v", err)
		}
		began := time.Now()
		if got, err := q.Receive(t.Context(), 1, 5*time.Second, 0); err != nil || got != nil || time.Since(began) != 5*time.Second {
			t.Fatalf("a long poll at the limit: %v, %v after %v, want nothing after 5 s", got, err, time.Since(began))
		}
		go func() {
			time.Sleep(2 * time.Second)
			q.Delete(held[0].Receipt)
		}()
		began = time.Now()
		if got, err := q.Receive(t.Context(), 1, 5*time.Second, 0); err != nil || len(got) != 1 || time.Since(began) != 2*time.Second {
			t.Fatalf("%v, %v after %v, want the fourth as soon as there is room", got, err, time.Since(began))
		}
		if c := q.Counts(); c.Refused != 3 || c.InFlight != 3 || c.Sent != 4 || c.Deleted != 1 {
			t.Errorf("the counts are %+v", c)
		}
	})
}

func TestALongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(0, 10*time.Second)
		go func() {
			time.Sleep(3 * time.Second)
			_, _ = q.Send("a")
		}()
		began := time.Now()
		got, err := q.Receive(t.Context(), 10, 20*time.Second, 0)
		if err != nil || len(got) != 1 || time.Since(began) != 3*time.Second {
			t.Fatalf("%v, %v after %v, want the message when it is sent", got, err, time.Since(began))
		}
		// Nothing is visible: the poll gets the same message when its time-out has passed.
		got, err = q.Receive(t.Context(), 10, 20*time.Second, 0)
		if err != nil || len(got) != 1 || got[0].Receives != 2 || time.Since(began) != 13*time.Second {
			t.Fatalf("%v, %v after %v, want it again at 13 s", got, err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.Receive(ctx, 10, time.Minute, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a poll whose consumer has gone: %v", err)
		}
	})
}

func TestChangeOfVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(0, time.Minute)
		_, _ = q.Send("a")
		m := receive(t, q, 1)[0]
		if err := q.ChangeVisibility(m.Receipt, time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		if got := receive(t, q, 1); len(got) != 0 {
			t.Fatalf("there again after 59 of 60 minutes: %v", got)
		}
		if err := q.ChangeVisibility(m.Receipt, 0); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, q, 1); len(got) != 1 {
			t.Fatal("given back and not there")
		}
		if err := q.ChangeVisibility(m.Receipt, time.Hour); !errors.Is(err, ErrNotInFlight) {
			t.Errorf("a stale receipt changes visibility: %v", err)
		}
	})
}

// Whatever consumers do, in whatever order: no more than the limit are in flight, a deleted message never comes back, a
// stale receipt does nothing, and every other message is there in the end.
func TestTheQueueKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			limit := rapid.IntRange(1, 12).Draw(rt, "limit")
			q := New(limit, 10*time.Second)
			var (
				sent     int
				deleted  = map[string]bool{}
				receipts []Message          // every delivery ever
				last     = map[string]int{} // deliveries of a message
				landed   = map[string]time.Time{}
			)
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				switch rapid.IntRange(0, 4).Draw(rt, "act") {
				case 0:
					n := rapid.IntRange(1, 10).Draw(rt, "n")
					for range n {
						_, _ = q.Send(strconv.Itoa(sent))
						sent++
					}
				case 1, 2:
					got, err := q.Receive(t.Context(), rapid.IntRange(1, 10).Draw(rt, "max"), 0, 0)
					if err != nil && !errors.Is(err, ErrOverLimit) {
						rt.Fatal(err)
					}
					for _, m := range got {
						if deleted[m.ID] {
							rt.Fatalf("%s was deleted and is received", m.ID)
						}
						if at := landed[m.ID]; time.Now().Before(at) {
							rt.Fatalf("%s is received while it is in flight", m.ID)
						}
						landed[m.ID] = time.Now().Add(10 * time.Second)
						last[m.ID] = m.Receives
						receipts = append(receipts, m)
					}
				case 3:
					if len(receipts) == 0 {
						continue
					}
					m := receipts[rapid.IntRange(0, len(receipts)-1).Draw(rt, "receipt")]
					stale := deleted[m.ID] || m.Receives != last[m.ID] || !time.Now().Before(landed[m.ID])
					if did := q.Delete(m.Receipt); did == stale {
						rt.Fatalf("deleting %+v did %v, stale %v", m, did, stale)
					} else if did {
						deleted[m.ID] = true
						delete(landed, m.ID)
					}
				case 4:
					time.Sleep(time.Duration(rapid.IntRange(1, 12).Draw(rt, "seconds")) * time.Second)
				}
				if n := q.Counts().InFlight; n > limit {
					rt.Fatalf("%d in flight, the limit is %d", n, limit)
				}
			}
			time.Sleep(10 * time.Second)
			if c := q.Counts(); c.Visible != sent-len(deleted) || c.InFlight != 0 {
				rt.Fatalf("%d sent, %d deleted, and the queue has %+v", sent, len(deleted), c)
			}
		})
	})
}

func TestTheQueueOverHTTP(t *testing.T) {
	q := New(1, time.Minute)
	server := httptest.NewServer(q.Handler())
	defer server.Close()
	tests := []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"nothing to send", "/send", `{"messages":[]}`, 400, "BAD_BATCH"},
		{"eleven at once", "/send", `{"messages":["1","2","3","4","5","6","7","8","9","10","11"]}`, 400, "BAD_BATCH"},
		{"what is not JSON", "/send", `messages`, 400, "BAD_REQUEST"},
		{"two messages", "/send", `{"messages":["a","b"]}`, 200, `{"ids":["q1","q2"]}`},
		{"the first is received", "/receive", `{"max":10}`, 200, `{"messages":[{"id":"q1","receipt":"q1-1","body":"a","receives":1}]}`},
		{"the second is over the limit", "/receive", `{"max":10}`, 403, "OVER_LIMIT"},
		{"a receipt that never was", "/visibility", `{"receipt":"q9-1"}`, 400, "NOT_IN_FLIGHT"},
		{"a stale receipt is no error", "/delete", `{"receipt":"q1-0"}`, 204, ""},
		{"the first is deleted", "/delete", `{"receipt":"q1-1"}`, 204, ""},
		{"the second is received", "/receive", `{"wait_ms":1}`, 200, `"body":"b"`},
		{"and given back", "/visibility", `{"receipt":"q2-1","visibility_ms":0}`, 204, ""},
	}
	for _, tt := range tests {
		resp, err := http.Post(server.URL+tt.path, "application/json", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 1000)
		n, _ := resp.Body.Read(text)
		_ = resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(text[:n]), tt.says) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, resp.StatusCode, text[:n], tt.status, tt.says)
		}
	}
}
