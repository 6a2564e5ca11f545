package scenarios

import (
	"strings"
	"testing"
	"time"
)

func TestUploadsAndTheHealthCheckAreRead(t *testing.T) {
	src := with(`uploads: {callers: 80, records: 70, batch: 40, voided: 400000, at: "11:30", over: 10s, scale: "callers 1/50"}`,
		"topology: {front: 2, health: {every: 1s}}")
	s, err := Load("x.yaml", []byte(src), Known{})
	if err != nil {
		t.Fatal(err)
	}
	want := Uploads{
		Callers: 80, Records: 70, Batch: 40, Voided: 400000, At: TimeOfDay(11*time.Hour + 30*time.Minute), Over: 10 * time.Second,
		Timeout: 5 * time.Second, Again: 2 * time.Second, Scale: "callers 1/50",
	}
	if s.Uploads != want || s.Uploads.BatchSize() != 40 || !strings.Contains(s.Uploads.Note(), "callers 1/50") {
		t.Errorf("the uploads are %+v", s.Uploads)
	}
	if want.Batch = 0; want.BatchSize() != 70 {
		t.Errorf("without a batch it is %d records", want.BatchSize())
	}
	if s.Topology.Health != (Health{Every: time.Second, Timeout: 2 * time.Second, Fails: 3}) {
		t.Errorf("the health check is %+v", s.Topology.Health)
	}
}

func TestUploadsThatCannotBe(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"outside the clock", `uploads: {callers: 1, records: 1, at: "10:30", over: 1s}`, "uploads.at: from 10:30 on 1s are more than the clock has"},
		{"fewer voided than uploaded", `uploads: {callers: 2, records: 5, voided: 9, at: "11:30", over: 1s}`, "uploads.voided: 9 are fewer than the 10 that are uploaded"},
		{"too many batches", `uploads: {callers: 10000, records: 2, batch: 1, at: "11:30", over: 1m}`, "uploads: comes to 20000 batches"},
		{"no callers", `uploads: {records: 1, at: "11:30", over: 1s}`, "uploads.callers: is missing"},
		{"nobody behind a balancer to be asked", `topology: {health: {every: 1s}}`, "topology.health: asks processes behind a balancer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load("x.yaml", []byte(with(tt.line)), Known{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
