package msgqueue

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// A Queue is the queue of readings. It may be used by many goroutines at once.
type Queue struct{ client }

// Metering is the system that is told of every reading. It may be used by many goroutines at once.
type Metering struct{ client }

var (
	_ service.MessageQueue = (*Queue)(nil)
	_ service.Metering     = (*Metering)(nil)
)

// NewQueue makes a queue at a base URL. Nothing is dialed.
func NewQueue(base string) *Queue { return &Queue{newClient(base)} }

// NewMetering makes metering at a base URL. Nothing is dialed.
func NewMetering(base string) *Metering { return &Metering{newClient(base)} }

// reading is a message's body.
type reading struct {
	MessageID string `json:"message_id"`
	MachineID string `json:"machine_id"`
	Pieces    int    `json:"pieces"`
}

const maxID = 64

// Receive gives up to most messages; wait 0 is a short poll. They are given again after visibility, which is the queue's own when it is 0.
func (q *Queue) Receive(ctx context.Context, most int, wait, visibility time.Duration) ([]service.Delivery, error) {
	var out struct {
		Messages []struct {
			Receipt string `json:"receipt"`
			Body    string `json:"body"`
		} `json:"messages"`
	}
	in := map[string]int64{"max": int64(most), "wait_ms": wait.Milliseconds(), "visibility_ms": visibility.Milliseconds()}
	err := q.post(ctx, "/receive", in, &out, wait+callTimeout)
	var no *refusal
	if errors.As(err, &no) && no.Code == "OVER_LIMIT" {
		return nil, service.ErrOverLimit
	}
	if err != nil {
		return nil, err
	}
	list := make([]service.Delivery, len(out.Messages))
	for i, m := range out.Messages {
		var r reading
		bad := json.Unmarshal([]byte(m.Body), &r) != nil || r.MessageID == "" || len(r.MessageID) > maxID || r.MachineID == "" ||
			len(r.MachineID) > maxID || r.Pieces < 0
		list[i] = service.Delivery{Receipt: m.Receipt, Reading: service.Reading(r), Bad: bad}
	}
	return list, nil
}

// Delete ends a message by the receipt of its last delivery.
func (q *Queue) Delete(ctx context.Context, receipt string) error {
	return q.post(ctx, "/delete", map[string]string{"receipt": receipt}, nil, callTimeout)
}

// Tell tells metering of a reading; the same message id again is fine.
func (m *Metering) Tell(ctx context.Context, r service.Reading) error {
	return m.post(ctx, "/readings", reading(r), nil, callTimeout)
}
