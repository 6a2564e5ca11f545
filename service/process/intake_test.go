package process_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/service/servicetest"
	"github.com/lunchrush/lunchrush/simulator/sqs"
)

// startIntake starts a service that takes readings from the queue; metering answers after so long.
func startIntake(t *testing.T, queue *sqs.Queue, metering time.Duration, switches ...string) *servicetest.Town {
	t.Helper()
	door := httptest.NewServer(queue.Handler())
	t.Cleanup(door.Close)
	downstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(metering):
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(downstream.Close)
	c, town := servicetest.NewConfig(t)
	c.Intake = service.IntakeAccess{QueueURL: door.URL, MeteringURL: downstream.URL}
	for i := 0; i+1 < len(switches); i += 2 {
		if err := c.Set(switches[i], switches[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	town.Run(process.Roles()...)
	return town
}

// sendReadings sends n readings of 3 pieces each, from four machines, and every tenth a second time.
func sendReadings(t *testing.T, queue *sqs.Queue, n int) {
	t.Helper()
	for i := range n {
		body := fmt.Sprintf(`{"message_id":"r%d","machine_id":"m%d","pieces":3}`, i, i%4)
		if _, err := queue.Send(body); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			_, _ = queue.Send(body)
		}
	}
}

func drained(queue *sqs.Queue) func() bool {
	return func() bool { c := queue.Counts(); return c.Visible+c.InFlight == 0 }
}

func TestEveryReadingHasItsEffectOnceAndNoMoreAreInFlightThanWorkersHold(t *testing.T) {
	t.Parallel()
	queue := sqs.New(20, 30*time.Second) // exactly what two workers hold: one more would be refused
	sendReadings(t, queue, 200)
	_, _ = queue.Send("not a reading", `{"message_id":"","machine_id":"m1","pieces":1}`)
	town := startIntake(t, queue, time.Millisecond, "consumer.workers", "2")
	servicetest.Eventually(t, 20*time.Second, "the queue is empty", drained(queue))
	if n := town.Count("SELECT COUNT(*) FROM readings"); n != 200 {
		t.Errorf("%d readings are stored, want 200", n)
	}
	if n := town.Count("SELECT COALESCE(SUM(pieces), 0) FROM reading_totals"); n != 600 {
		t.Errorf("the totals come to %d pieces, want 600: a second delivery has no effect", n)
	}
	if c := queue.Counts(); c.Refused != 0 || c.Most > 20 || c.Deleted != 222 {
		t.Errorf("the queue saw %+v, want nothing refused and all 222 deleted", c)
	}
	stored, total := 0, 0
	for _, line := range town.Book()["call"] {
		switch line["state"] {
		case "stored":
			stored++
		case "total":
			n, _ := strconv.Atoi(fmt.Sprint(line["n"]))
			total += n
		}
	}
	if stored != 200 || total != 600 {
		t.Errorf("the book tells %d readings and %d pieces", stored, total)
	}
}

func TestAReadingWhoseConsumerDiesIsTakenAgain(t *testing.T) {
	t.Parallel()
	queue := sqs.New(0, 2*time.Second)
	sendReadings(t, queue, 60)
	// A consumer that took ten and died: they appear again when their time-out has passed.
	if got, err := queue.Receive(t.Context(), 10, 0, 0); err != nil || len(got) != 10 {
		t.Fatal(got, err)
	}
	town := startIntake(t, queue, time.Millisecond)
	servicetest.Eventually(t, 20*time.Second, "the queue is empty", drained(queue))
	if n := town.Count("SELECT COUNT(*) FROM readings"); n != 60 {
		t.Errorf("%d readings are stored, want 60", n)
	}
}

// Ten messages take a worker longer than the queue's own time-out. A receipt that went stale meanwhile would bring its message back.
func TestABatchThatTakesLongerThanTheQueuesTimeOutIsHandledOnce(t *testing.T) {
	t.Parallel()
	queue := sqs.New(0, time.Second)
	sendReadings(t, queue, 40)
	startIntake(t, queue, 300*time.Millisecond, "consumer.workers", "2")
	servicetest.Eventually(t, 30*time.Second, "the queue is empty", drained(queue))
	if c := queue.Counts(); c.Stale != 0 || c.Deleted != 44 {
		t.Errorf("the queue saw %+v, want no stale receipt and all 44 deleted once", c)
	}
}

// As was: each of the two switches by itself.
func TestAConsumerThatTakesMoreThanItFinishesMeetsTheLimit(t *testing.T) {
	t.Parallel()
	queue := sqs.New(50, time.Minute)
	sendReadings(t, queue, 200)
	startIntake(t, queue, 20*time.Millisecond, "consumer.workers", "2", "consumer.prefetch", "unbounded")
	servicetest.Eventually(t, 20*time.Second, "the limit is met and a receive refused", func() bool {
		c := queue.Counts()
		return c.Most == 50 && c.Refused > 0
	})
}

func TestWhatIsDeletedLaterStaysInFlight(t *testing.T) {
	t.Parallel()
	queue := sqs.New(0, time.Minute)
	sendReadings(t, queue, 90)
	startIntake(t, queue, time.Millisecond, "consumer.workers", "1", "consumer.delete", "async")
	servicetest.Eventually(t, 20*time.Second, "the queue is empty", drained(queue))
	if most := queue.Counts().Most; most <= 10 {
		t.Errorf("%d were in flight at most: the next ten were received only when the ten before were deleted", most)
	}
}
