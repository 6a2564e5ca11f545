package runlog

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// A column is one field of a Sample in metrics.csv.
type column struct {
	name string
	int  func(*Sample) *int
	wide func(*Sample) *int64
	real func(*Sample) *float64
	text func(*Sample) *string
}

// columns are the columns of metrics.csv, in order. Readers go by name; new ones are added at the end.
var columns = []column{
	{name: "at_ns", wide: func(s *Sample) *int64 { return &s.AtNS }},
	{name: "phase", text: func(s *Sample) *string { return &s.Phase }},
	{name: "offered", int: func(s *Sample) *int { return &s.Offered }},
	{name: "sent", int: func(s *Sample) *int { return &s.Sent }},
	{name: "ok", int: func(s *Sample) *int { return &s.OK }},
	{name: "failed", int: func(s *Sample) *int { return &s.Failed }},
	{name: "creates", int: func(s *Sample) *int { return &s.Creates }},
	{name: "paid", int: func(s *Sample) *int { return &s.Paid }},
	{name: "dropped", int: func(s *Sample) *int { return &s.Dropped }},
	{name: "refunds", int: func(s *Sample) *int { return &s.Refunds }},
	{name: "create_p50_ms", real: func(s *Sample) *float64 { return &s.CreateP50MS }},
	{name: "create_p99_ms", real: func(s *Sample) *float64 { return &s.CreateP99MS }},
	{name: "notify_p50_ms", real: func(s *Sample) *float64 { return &s.NotifyP50MS }},
	{name: "notify_p99_ms", real: func(s *Sample) *float64 { return &s.NotifyP99MS }},
	{name: "lateness_p99_ms", real: func(s *Sample) *float64 { return &s.LatenessP99 }},
	{name: "in_flight", int: func(s *Sample) *int { return &s.InFlight }},
	{name: "backlog", int: func(s *Sample) *int { return &s.Backlog }},
	{name: "backlog_age_s", real: func(s *Sample) *float64 { return &s.BacklogAge }},
	{name: "service_cpu_cores", real: func(s *Sample) *float64 { return &s.ServiceCPU }},
	{name: "service_rss_bytes", wide: func(s *Sample) *int64 { return &s.ServiceRSS }},
	{name: "harness_cpu_cores", real: func(s *Sample) *float64 { return &s.HarnessCPU }},
	{name: "goroutines", int: func(s *Sample) *int { return &s.Goroutines }},
	{name: "db_in_use", int: func(s *Sample) *int { return &s.DBInUse }},
	{name: "open", int: func(s *Sample) *int { return &s.Open }},
	{name: "loss_so_far", int: func(s *Sample) *int { return &s.LossSoFar }},
	{name: "front_busy", int: func(s *Sample) *int { return &s.FrontBusy }},
	{name: "front_waiting", int: func(s *Sample) *int { return &s.FrontWaiting }},
	{name: "front_limit", int: func(s *Sample) *int { return &s.FrontLimit }},
	{name: "gate_busy", int: func(s *Sample) *int { return &s.GateBusy }},
	{name: "gate_waiting", int: func(s *Sample) *int { return &s.GateWaiting }},
	{name: "gate_limit", int: func(s *Sample) *int { return &s.GateLimit }},
	{name: "identity_busy", int: func(s *Sample) *int { return &s.IdentityBusy }},
	{name: "identity_waiting", int: func(s *Sample) *int { return &s.IdentityWaiting }},
	{name: "identity_limit", int: func(s *Sample) *int { return &s.IdentityLimit }},
	{name: "db_errors_1040", int: func(s *Sample) *int { return &s.DBErrors1040 }},
	{name: "db_errors_1205", int: func(s *Sample) *int { return &s.DBErrors1205 }},
	{name: "db_errors_1213", int: func(s *Sample) *int { return &s.DBErrors1213 }},
	{name: "queue_not_payable", int: func(s *Sample) *int { return &s.QueueNotPayable }},
	{name: "binds_failed", int: func(s *Sample) *int { return &s.BindsFailed }},
	{name: "binds_waiting", int: func(s *Sample) *int { return &s.BindsWaiting }},
	{name: "price_looks", int: func(s *Sample) *int { return &s.PriceLooks }},
	{name: "price_reads", int: func(s *Sample) *int { return &s.PriceReads }},
	{name: "in_flight_mean", real: func(s *Sample) *float64 { return &s.InFlightMean }},
}

func sampleHeader() string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return strings.Join(names, ",") + "\n"
}

func appendSample(b []byte, s *Sample) []byte {
	for i, c := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case c.int != nil:
			b = strconv.AppendInt(b, int64(*c.int(s)), 10)
		case c.wide != nil:
			b = strconv.AppendInt(b, *c.wide(s), 10)
		case c.real != nil:
			b = strconv.AppendFloat(b, *c.real(s), 'f', -1, 64)
		case c.text != nil:
			b = append(b, *c.text(s)...) // a phase: one plain word
		}
	}
	return append(b, '\n')
}

// ReadSamples reads metrics.csv. Columns go by the header's names; unknown ones are passed over, and a last row that is
// cut short is left out.
func ReadSamples(r io.Reader) ([]Sample, error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	head, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known := make([]*column, len(head))
	for i, name := range head {
		for j := range columns {
			if columns[j].name == name {
				known[i] = &columns[j]
			}
		}
	}
	var samples []Sample
	var bad error // of the row before: only the last row may be torn
	for line := 2; ; line++ {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return samples, nil
		}
		if bad != nil {
			return samples, bad
		}
		if err != nil {
			bad = fmt.Errorf("line %d: %w", line, err)
			continue
		}
		var s Sample
		if bad = s.parse(known, row); bad != nil {
			bad = fmt.Errorf("line %d: %w", line, bad)
			continue
		}
		samples = append(samples, s)
	}
}

func (s *Sample) parse(known []*column, row []string) (err error) {
	if len(row) != len(known) {
		return fmt.Errorf("%d columns, want %d", len(row), len(known))
	}
	for i, c := range known {
		if c == nil {
			continue
		}
		switch {
		case c.int != nil:
			*c.int(s), err = strconv.Atoi(row[i])
		case c.wide != nil:
			*c.wide(s), err = strconv.ParseInt(row[i], 10, 64)
		case c.real != nil:
			*c.real(s), err = strconv.ParseFloat(row[i], 64)
		case c.text != nil:
			*c.text(s) = strings.Clone(row[i])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func readSamplesFile(path string) ([]Sample, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := ReadSamples(f)
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
