package simulator

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// WriteTo writes the plan as JSON lines: the header, then as many orders, probes and calls as it says. It implements
// io.WriterTo.
func (p *Plan) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	buffered := bufio.NewWriterSize(counted, 64<<10)
	enc := json.NewEncoder(buffered)
	enc.SetEscapeHTML(false)
	err := enc.Encode(p.Header)
	for i := 0; err == nil && i < len(p.Orders); i++ {
		err = enc.Encode(&p.Orders[i])
	}
	for i := 0; err == nil && i < len(p.Probes); i++ {
		err = enc.Encode(&p.Probes[i])
	}
	for i := 0; err == nil && i < len(p.Calls); i++ {
		err = enc.Encode(&p.Calls[i])
	}
	if err = errors.Join(err, buffered.Flush()); err != nil {
		return counted.n, fmt.Errorf("writing the plan: %w", err)
	}
	return counted.n, nil
}

// ReadPlan reads what WriteTo wrote, to the end of r. A plan that is cut short, goes on too long or is not in order is an
// error that names the line.
func ReadPlan(r io.Reader) (*Plan, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), 64<<10)
	line := 0
	next := func(into any) error {
		line++
		if !lines.Scan() {
			return fmt.Errorf("reading the plan: line %d: %w", line, errors.Join(lines.Err(), io.ErrUnexpectedEOF))
		}
		if err := json.Unmarshal(lines.Bytes(), into); err != nil {
			return fmt.Errorf("reading the plan: line %d: %w", line, err)
		}
		return nil
	}
	p := &Plan{}
	if err := next(&p.Header); err != nil {
		return nil, err
	}
	h := p.Header
	if h.Schema != PlanSchema {
		return nil, fmt.Errorf("reading the plan: schema %d, this program reads %d", h.Schema, PlanSchema)
	}
	if h.Orders < 0 || h.Orders > maxPlanOrders || h.Probes < 0 || h.Probes > h.Orders || h.Calls < 0 || h.Calls > maxPlanOrders {
		return nil, fmt.Errorf("reading the plan: line 1: %d orders, %d probes and %d calls cannot be", h.Orders, h.Probes, h.Calls)
	}
	// Not make with the header's counts: a header that lies must not cost memory.
	for range h.Orders {
		var o PlanOrder
		if err := next(&o); err != nil {
			return nil, err
		}
		if o.Key == "" || o.Machine == "" || o.Due < 0 {
			return nil, fmt.Errorf("reading the plan: line %d: not an order", line)
		}
		if n := len(p.Orders); n > 0 && p.Orders[n-1].Due > o.Due {
			return nil, fmt.Errorf("reading the plan: line %d: order %s is due before the one above it", line, o.Key)
		}
		p.Orders = append(p.Orders, o)
	}
	for range h.Probes {
		var probe PlanProbe
		if err := next(&probe); err != nil {
			return nil, err
		}
		if probe.Kind == "" {
			return nil, fmt.Errorf("reading the plan: line %d: not a probe", line)
		}
		p.Probes = append(p.Probes, probe)
	}
	for range h.Calls {
		var c PlanCall
		if err := next(&c); err != nil {
			return nil, err
		}
		if c.Call == "" || c.Kind == "" || c.Due < 0 {
			return nil, fmt.Errorf("reading the plan: line %d: not a call", line)
		}
		if n := len(p.Calls); n > 0 && p.Calls[n-1].Due > c.Due {
			return nil, fmt.Errorf("reading the plan: line %d: call %s is due before the one above it", line, c.Call)
		}
		p.Calls = append(p.Calls, c)
	}
	if lines.Scan() {
		return nil, fmt.Errorf("reading the plan: line %d: more than the header's %d orders, %d probes and %d calls", line+1, h.Orders, h.Probes, h.Calls)
	}
	return p, lines.Err()
}

// SHA256 is the hex digest of the written plan, uncompressed.
func (p *Plan) SHA256() string {
	sum := sha256.New()
	_, _ = p.WriteTo(sum) // a hash takes everything
	return hex.EncodeToString(sum.Sum(nil))
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
