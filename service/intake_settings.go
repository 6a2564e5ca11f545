package service

import "time"

// Sync is consumer.delete's hardened value.
const Sync = "sync"

// IntakeAccess is where machines' readings come from and who is told of them. Both empty: nothing is taken in.
type IntakeAccess struct {
	QueueURL    string `yaml:"queue_url"`
	MeteringURL string `yaml:"metering_url"`
}

func (a IntakeAccess) validate(add func(string, ...any)) {
	if a != (IntakeAccess{}) {
		validateURL(add, "intake.queue_url", a.QueueURL)
		validateURL(add, "intake.metering_url", a.MeteringURL)
	}
}

// ConsumerSwitches are those of the consumer of machines' readings.
type ConsumerSwitches struct {
	Prefetch string        `yaml:"prefetch" accepts:"bounded|unbounded" incident:"inflight-limit" doc:"bounded: a worker receives again when it has finished what it had; unbounded: threads receive whatever there is, and others work it off"`
	Delete   string        `yaml:"delete" accepts:"sync|async" incident:"inflight-limit" doc:"sync: a message is deleted as soon as it was handled; async: one thread deletes them later, in batches"`
	Workers  int           `yaml:"workers" min:"1" incident:"inflight-limit" doc:"readings handled at once. Documented as ten threads"`
	Pause    time.Duration `yaml:"pause" min:"0s" incident:"inflight-limit" doc:"wait after each receive; it hides a prefetch without a bound, at one rate"`
}
