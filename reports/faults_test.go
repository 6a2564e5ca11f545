package reports

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestAFaultIsReportedAsItCame(t *testing.T) {
	const second = int64(time.Second)
	run := &runlog.Manifest{PlayFromNS: 2 * second, Faults: []runlog.FaultPlan{
		{ID: "f1", What: "hold", On: "mysql", FromNS: 10 * second, ForNS: 5 * second},
	}}
	on := runlog.Record{Event: runlog.FaultOn, ID: "f1", At: 13 * second}
	off := runlog.Record{Event: runlog.FaultOff, ID: "f1", At: 19 * second}
	felt := runlog.Record{Event: runlog.FaultFelt, ID: "f1", OK: true, Note: "silent"}
	unfelt := runlog.Record{Event: runlog.FaultFelt, ID: "f1", Note: "it answered"}
	failed := runlog.Record{Event: runlog.FaultOff, ID: "f1", At: 19 * second, Note: "not healed: gone"}
	tests := []struct {
		name    string
		records []runlog.Record
		want    Fault
	}{
		{
			"felt and healed",
			[]runlog.Record{on, felt, off},
			Fault{FromNS: 13 * second, ToNS: 19 * second, Injected: true, Felt: true, Healed: true, Evidence: "silent"},
		},
		{
			"not felt",
			[]runlog.Record{on, unfelt, off},
			Fault{FromNS: 13 * second, ToNS: 19 * second, Injected: true, Healed: true, Evidence: "it answered"},
		},
		{
			"never measured",
			[]runlog.Record{on, off},
			Fault{FromNS: 13 * second, ToNS: 19 * second, Injected: true, Healed: true, Evidence: neverMeasured},
		},
		{
			"not healed",
			[]runlog.Record{on, felt, failed},
			Fault{FromNS: 13 * second, ToNS: 19 * second, Injected: true, Felt: true, Evidence: "silent", Note: "not healed: gone"},
		},
		{
			"a run that was killed while it was on",
			[]runlog.Record{on, felt},
			Fault{FromNS: 13 * second, ToNS: 18 * second, Injected: true, Felt: true, Evidence: "silent"},
		},
		{"never injected: where it was planned", nil, Fault{FromNS: 12 * second, ToNS: 17 * second, Evidence: neverMeasured}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := make(faultBook)
			for _, r := range tt.records {
				b.take(&r)
			}
			tt.want.ID, tt.want.What, tt.want.On = "f1", "hold", "mysql"
			if d := cmp.Diff([]Fault{tt.want}, b.of(run)); d != "" {
				t.Error(d)
			}
		})
	}
}
