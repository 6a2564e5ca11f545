package reports

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTheTimelineShowsEveryFaultHoweverManyThereAre(t *testing.T) {
	for _, tt := range []struct {
		faults int
		last   string // named in the last row
		rows   int
	}{
		{1, "front-1: kill", 1},
		{8, "front-8: kill", 8},
		{9, "2 more faults", 8},
		{23, "16 more faults", 8},
	} {
		t.Run(fmt.Sprintf("%d faults", tt.faults), func(t *testing.T) {
			a := failedRun()
			a.Faults = nil
			for i := range tt.faults {
				from := int64(10*time.Second) + int64(i)*int64(3*time.Second)
				a.Faults = append(a.Faults, Fault{
					On: fmt.Sprintf("front-%d", i+1), What: "kill", FromNS: from, ToNS: from + int64(2*time.Second), Felt: true,
				})
			}
			tl := newTimeline(a)
			picture := tl.draw("timeline", "", 1200)
			if bars := strings.Count(picture, `class="strip fault"`); bars != tt.faults {
				t.Errorf("%d bars, want %d", bars, tt.faults)
			}
			if shades := strings.Count(picture, `class="shade fault"`); shades != tt.faults {
				t.Errorf("%d shades, want %d", shades, tt.faults)
			}
			if !strings.Contains(picture, ">"+tt.last+"<") {
				t.Errorf("%q is not written", tt.last)
			}
			if high := stripsHeight(tl.faultStrips()); high != float64(tt.rows)*stripHeight {
				t.Errorf("they are %g high, want %d rows", high, tt.rows)
			}
		})
	}
}
