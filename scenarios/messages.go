package scenarios

import (
	"fmt"
	"time"
)

// Messages are machines' readings that reach the service through a message queue. The zero value is none.
type Messages struct {
	PerMachineHour float64 // sends of a batch; 0 none
	Peaks          []Peak
	Batch          int           // readings of one send
	Again          float64       // share of the sends that are delivered a second time by another way, 0..1
	Limit          int           // messages in flight
	Visibility     time.Duration // how long a received message is in flight
	Scale          int           // Limit and Visibility are the account's divided by this
	Delete         Delay         // how long the queue takes to delete a message
	Metering       Delay         // how long the downstream system takes to take one reading
}

// defaultMessages has SQS's limit in flight and the account's visibility time-out; the rest is ours.
func defaultMessages() Messages {
	return Messages{
		Batch: 10, Limit: 120_000, Visibility: 10 * time.Minute, Scale: 1,
		Delete: Delay{Kind: "constant"}, Metering: Delay{Kind: "constant", A: 50 * time.Millisecond},
	}
}

// MessagesCurve is the rate of sends, as [Scenario.Curve] is that of orders.
func (s *Scenario) MessagesCurve() Curve { return s.curve(s.Messages.PerMachineHour, s.Messages.Peaks) }

// Note says what a reader of a report must know of the queue, "" when there is nothing.
func (m *Messages) Note() string {
	if m.PerMachineHour == 0 || m.Scale <= 1 {
		return ""
	}
	return fmt.Sprintf("the queue's limit of %d in flight and its visibility time-out of %s are 1/%d of the account's, so that its peak lasts 1/%d as long at the same rates",
		m.Limit, duration(m.Visibility), m.Scale, m.Scale)
}

func messagesFields(m *Messages) []field {
	return []field{
		{"per_machine_hour", true, "Batches of readings that one machine sends in an hour, outside peaks.", numberOf(&m.PerMachineHour, 0, perHourMax)},
		{"peaks", false, "When machines send more.", listOf(&m.Peaks, peaksMax, newPeak, peakFields)},
		{"batch", false, "Readings of one send.", numberOf(&m.Batch, 1, 10)},
		{"again", false, "Share of the sends that the queue is given twice.", fraction(&m.Again)},
		{"limit", false, "Messages that can be in flight: received, and neither deleted nor timed out.", numberOf(&m.Limit, 1, 1_000_000)},
		{"visibility", false, "How long a received message is in flight before it is delivered again.", period(&m.Visibility, time.Second, 12*time.Hour)},
		{"scale", false, "By what the account's limit and visibility time-out were divided, which the report says.", numberOf(&m.Scale, 1, 1_000_000)},
		{"delete", false, "How long the queue takes to delete a message.", delay(&m.Delete)},
		{"metering", false, "How long the system that is told of every reading takes.", delay(&m.Metering)},
	}
}
