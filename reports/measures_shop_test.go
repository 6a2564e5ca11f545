package reports

import (
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestWhatShopAsksTheDatabase(t *testing.T) {
	row := func(at, looks, reads int) runlog.Sample {
		return runlog.Sample{AtNS: int64(at) * 1e9, PriceLooks: looks, PriceReads: reads}
	}
	tests := []struct {
		name               string
		samples            []runlog.Sample
		reads, share, peak float64
		known              bool
	}{
		{"a spike", []runlog.Sample{row(1, 10, 1), row(2, 20, 9), row(3, 40, 10)}, 10, 0.25, 8, true},
		{"a row that nobody knows", []runlog.Sample{row(1, 10, 1), row(2, -1, -1), row(3, 40, 11)}, 11, 0.275, 5, true},
		{"a restart", []runlog.Sample{row(1, 10, 5), row(2, 4, 1), row(3, 10, 3)}, 8, 0.4, 2, true},
		{"a service that does not tell", []runlog.Sample{row(1, -1, -1), row(2, -1, -1)}, 0, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &evidence{samples: tt.samples}
			for i, want := range []float64{tt.reads, tt.share, tt.peak} {
				got, n := shopGauges[i].read(e)
				if (n > 0) != tt.known || tt.known && got != want {
					t.Errorf("%s is %g of %d samples, want %g", shopGauges[i].Name, got, n, want)
				}
			}
		})
	}
}
