package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// SendUpload is a caller's upload of a batch of records.
const SendUpload = "upload"

// planUploads lets the callers come evenly. The batches of one leave together.
func planUploads(s *scenarios.Scenario, _ func(string) *stream) []PlanCall {
	u := s.Uploads
	if u.Callers == 0 {
		return nil
	}
	from := s.At(u.At)
	var calls []PlanCall
	for i := range u.Callers {
		due := from + time.Duration(int64(u.Over)*int64(2*i+1)/int64(2*u.Callers))
		for done := 0; done < u.Records; done += u.BatchSize() {
			calls = append(calls, PlanCall{Due: due, Subject: fmt.Sprintf("c%05d", i+1), N: min(u.BatchSize(), u.Records-done)})
		}
	}
	return calls
}

// uploads are the callers. A batch that is not acknowledged is sent again, under the same id, until the plan is over.
type uploads struct {
	caller
	until time.Duration
}

func openUploads(st *stage) (workload, error) { return &uploads{caller: caller{st: st}}, nil }

// uploadRecord is the id of a batch's i-th record, from 1.
func uploadRecord(c *PlanCall, i int) string { return fmt.Sprintf("%s-%d", c.Call, i) }

// provision voids the records that will be uploaded, among as many others as the scenario says.
func (u *uploads) provision(ctx context.Context, target Target) error {
	type voided struct {
		Caller   string `json:"caller"`
		RecordID string `json:"record_id"`
	}
	var list []voided
	for i := range u.st.plan.Calls {
		if c := &u.st.plan.Calls[i]; c.Kind == SendUpload {
			for k := range c.N {
				list = append(list, voided{c.Subject, uploadRecord(c, k+1)})
			}
		}
	}
	client := &http.Client{Transport: loopbackTransport(1)}
	defer client.CloseIdleConnections()
	began := time.Now()
	all := max(u.st.scenario.Uploads.Voided, len(list))
	const atOnce = 50_000 // below the request's 8 MiB
	for begin := 0; begin < len(list); begin += atOnce {
		end, fill := min(len(list), begin+atOnce), 0
		if end == len(list) {
			fill = all
		}
		body, err := json.Marshal(map[string]any{"records": list[begin:end], "fill": fill})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.Internal+"/internal/voided", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // only for the error
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
		}
	}
	if took := time.Since(began); took > seedingIsLong {
		u.st.notice(fmt.Sprintf("%d records are voided: seeding them took %.1fs", all, took.Seconds()))
	}
	return nil
}

// seedingIsLong is when it is told how long the voided records took.
const seedingIsLong = 2 * time.Second

func (u *uploads) begin(target Target, from, deadline time.Duration) {
	u.caller.begin(target, from, deadline)
	u.until = from + u.st.plan.Header.Length
}

// call sends a batch, and sends it again until it is taken. It is the same batch each time, by its id.
func (u *uploads) call(c *PlanCall, due time.Duration) {
	type record struct {
		RecordID string `json:"record_id"`
		Content  string `json:"content"`
	}
	records := make([]record, c.N)
	for i := range records {
		records[i] = record{uploadRecord(c, i+1), "uploaded again"}
	}
	body, err := json.Marshal(map[string]any{"caller": c.Subject, "batch_id": c.Call, "records": records})
	if err != nil { // strings
		panic(err)
	}
	u.try(c, due, body)
}

func (u *uploads) try(c *PlanCall, due time.Duration, body []byte) {
	s := Send{
		Due: due, Method: http.MethodPost, URL: u.target.Public + "/v1/uploads", Header: jsonHeader, Body: body,
		Timeout: u.st.scenario.Uploads.Timeout,
	}
	u.pushThen(c, s, uploadAnswer(c), func(a Answer) {
		if again := a.At + u.st.scenario.Uploads.Again; a.Status/100 != 2 && again < u.st.moved(u.until) {
			u.try(c, again, body)
		}
	})
}

// uploadAnswer judges one answer. To be told to come again is an answer as it should be, of a batch that was not taken: its n is 0.
func uploadAnswer(c *PlanCall) func(Answer) said {
	return func(a Answer) said {
		var got struct {
			BatchID string `json:"batch_id"`
			State   string `json:"state"`
			Code    string `json:"code"`
		}
		if err := json.Unmarshal(a.Body, &got); err != nil {
			return said{note: "the answer is not JSON"}
		}
		switch a.Status {
		case http.StatusOK, http.StatusAccepted:
			return said{ok: got.BatchID == c.Call, n: c.N, note: got.State}
		case http.StatusTooManyRequests:
			return said{ok: true, note: got.Code}
		default:
			return refused(got.Code, a.Status)
		}
	}
}
