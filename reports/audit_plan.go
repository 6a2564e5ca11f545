package reports

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A planned is what the plan says of the run, beside what it says of each order.
type planned struct {
	sha256 string // of the uncompressed plan
	orders int
	demand []DemandPoint
}

// readPlan goes through plan.jsonl.zst: it marks the audit's orders and counts the demand. It knows of the file's lines
// only what it needs: the header's length_ns, and of an order its key, due_ns, buyer and device.
func (a *audit) readPlan(f *runlog.Folder) (*planned, error) {
	file, err := os.Open(f.Path(runlog.PlanFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	dec, err := zstd.NewReader(file, zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	defer dec.Close()

	sum := sha256.New()
	lines := bufio.NewScanner(io.TeeReader(dec, sum))
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	var header struct {
		Length time.Duration `json:"length_ns"`
	}
	p := &planned{}
	var demand *Demand
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			if err := json.Unmarshal(lines.Bytes(), &header); err != nil {
				return nil, fmt.Errorf("%s: line 1: %w", runlog.PlanFile, err)
			}
			if header.Length <= 0 {
				return nil, fmt.Errorf("%s: the plan has no length", runlog.PlanFile)
			}
			demand = NewDemand(header.Length)
			continue
		}
		line, err := parsePlanLine(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", runlog.PlanFile, n, err)
		}
		if line.Key == "" {
			continue // a probe
		}
		p.orders++
		demand.Add(line.Due)
		counts := line.Due >= time.Duration(a.run.WarmUpNS)
		if counts && meantToDispense(line.Buyer, line.Device) {
			a.tally.meant++
		}
		for _, key := range a.tries(line.Key) {
			a.mark(key, &line, counts)
		}
		if a.track != nil {
			a.track.plan(&line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", runlog.PlanFile, err)
	}
	p.sha256 = hex.EncodeToString(sum.Sum(nil))
	if demand != nil {
		p.demand = demand.Points(a.run)
	}
	return p, nil
}

// A planLine is what the audit needs of one order of the plan; a probe has no key.
type planLine struct {
	Key    string        `json:"key"`
	Due    time.Duration `json:"due_ns"`
	Buyer  string        `json:"buyer"`
	Device string        `json:"device"`
}

// parsePlanLine looks the four fields up where the plan's writer puts them, in a quarter of the time that encoding/json
// takes for all of them. What looks otherwise goes to encoding/json.
func parsePlanLine(b []byte) (planLine, error) {
	line := planLine{}
	text := func(name string) (s string, ok bool) {
		_, rest, ok := bytes.Cut(b, []byte(name))
		if !ok {
			return "", false
		}
		v, _, ok := bytes.Cut(rest, []byte(`"`))
		return string(v), ok
	}
	plain := bytes.HasPrefix(b, []byte(`{"key":"`)) && bytes.HasSuffix(b, []byte("}")) && !bytes.ContainsRune(b, '\\')
	var ok [4]bool
	if plain {
		line.Key, ok[0] = text(`{"key":"`)
		line.Buyer, ok[1] = text(`,"buyer":"`)
		line.Device, ok[2] = text(`,"device":"`)
		if _, rest, found := bytes.Cut(b, []byte(`,"due_ns":`)); found {
			digits, _, _ := bytes.Cut(rest, []byte(`,`))
			due, err := strconv.ParseInt(string(digits), 10, 64)
			line.Due, ok[3] = time.Duration(due), err == nil
		}
	}
	if ok == [4]bool{true, true, true, true} {
		return line, nil
	}
	line = planLine{}
	err := json.Unmarshal(b, &line)
	return line, err
}

// tries are the request ids under which a planned order may have been asked for.
func (a *audit) tries(key string) []string {
	keys := []string{key}
	for n := 2; n <= min(a.run.Load.Tries, triesMax); n++ {
		keys = append(keys, key+trySeparator+strconv.Itoa(n))
	}
	return keys
}

// triesMax bounds what a broken run.json could ask for.
const triesMax = 100

// mark notes what the plan meant an order to do. One that does not count was due while the service warmed up.
func (a *audit) mark(key string, line *planLine, counts bool) {
	k, ok := a.keys.find(key)
	if !ok || a.ofKey[k] == 0 {
		return
	}
	o := a.at(a.ofKey[k] - 1)
	if !counts {
		o.flags |= warmingUp
	}
	if meantToDispense(line.Buyer, line.Device) {
		o.flags |= canDispense
	}
	if line.Device == "offline" {
		o.flags |= wentOffline
	}
}

// planWarning says why there is no plan to compare with.
func planWarning(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "the folder holds no plan: planned demand and goodput are not known"
	}
	return "the plan cannot be read: " + err.Error()
}
