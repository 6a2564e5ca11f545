package scenarios

import "time"

// Uploads are callers who must upload records again that an upgrade has voided. The zero value is none.
type Uploads struct {
	Callers int
	Records int           // of each caller
	Batch   int           // records of one request; 0: all of a caller's
	Voided  int           // records that were voided in all, those of callers who do not come included; at least what is uploaded
	At      TimeOfDay     // when the first caller comes
	Over    time.Duration // in how long they all come
	Timeout time.Duration
	Again   time.Duration // how long a caller waits before it sends a batch again that was not taken
	Scale   string        // by what the account's figures were divided, which the report says
}

const (
	uploadCallersMax = 10_000
	uploadRecordsMax = 10_000
	uploadVoidedMax  = 10_000_000
)

func uploadsFields(u *Uploads) []field {
	return []field{
		{"callers", true, "How many callers upload.", numberOf(&u.Callers, 1, uploadCallersMax)},
		{"records", true, "How many records each has.", numberOf(&u.Records, 1, uploadRecordsMax)},
		{"batch", false, "Records of one request. Left out: all of a caller's.", numberOf(&u.Batch, 1, uploadRecordsMax)},
		{"voided", false, "How many records were voided in all, those of callers who do not come included. Left out: what is uploaded.", numberOf(&u.Voided, 1, uploadVoidedMax)},
		{"at", true, "When the first caller comes.", timeOfDay(&u.At)},
		{"over", true, "In how long they all come, evenly, in real time.", period(&u.Over, time.Second, time.Hour)},
		{"timeout", false, "How long a caller waits for the answer to a batch.", period(&u.Timeout, 100*time.Millisecond, time.Minute)},
		{"again", false, "How long it waits before it sends a batch again that was not taken.", period(&u.Again, 100*time.Millisecond, time.Hour)},
		{"scale", false, "By what the account's figures were divided, which the report says.", line(&u.Scale, 120)},
	}
}

// BatchSize is how many records a request has.
func (u *Uploads) BatchSize() int {
	if u.Batch == 0 {
		return u.Records
	}
	return u.Batch
}

// Note says what a reader of a report must know of the uploads, "" when there is nothing.
func (u *Uploads) Note() string {
	if u.Scale == "" {
		return ""
	}
	return "uploads are smaller than the account's: " + u.Scale
}

func (s *Scenario) checkUploads(add adder) {
	u := s.Uploads
	if u.Callers == 0 {
		return
	}
	if at := u.At; at < s.Clock.From || s.At(at)+u.Over > s.Length() {
		add("uploads.at", "all callers must come within the clock", "from %s on %s are more than the clock has", at, duration(u.Over))
	}
	if u.Voided > 0 && u.Voided < u.Callers*u.Records {
		add("uploads.voided", "", "%d are fewer than the %d that are uploaded", u.Voided, u.Callers*u.Records)
	}
	if batches := u.Callers * ((u.Records + u.BatchSize() - 1) / u.BatchSize()); batches > uploadRecordsMax {
		add("uploads", "larger batches are fewer", "comes to %d batches, more than %d", batches, uploadRecordsMax)
	} else if rate := float64(batches) / u.Over.Seconds(); rate > rateMax {
		add("uploads", "", "comes to %.0f batches a second, more than %.0f", rate, rateMax)
	}
}

// Health is whoever asks each process behind the balancer whether it is well, and starts it again when it is not: an F5 or an
// orchestrator. The zero value is nobody.
type Health struct {
	Every   time.Duration // from one question to the next; 0: nobody asks
	Timeout time.Duration // of one question
	Fails   int           // in a row, after which the process is killed and started again
}

// defaultHealth is ours.
func defaultHealth() Health { return Health{Timeout: 2 * time.Second, Fails: 3} }

func healthFields(h *Health) []field {
	return []field{
		{"every", true, "From one question to the next, of each process.", period(&h.Every, 100*time.Millisecond, time.Hour)},
		{"timeout", false, "How long the answer may take.", period(&h.Timeout, 100*time.Millisecond, time.Minute)},
		{"fails", false, "After so many in a row that were not answered with 200 the process is killed and started again.", numberOf(&h.Fails, 1, 100)},
	}
}

func (s *Scenario) checkHealth(add adder) {
	t := s.Topology
	if t.Health.Every > 0 && t.Front+t.Gate+t.Shop+t.Notifier+t.Jobs == 0 {
		add("topology.health", "add front: 1", "asks processes behind a balancer, and there is only one process")
	}
}
