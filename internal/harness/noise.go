package harness

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// noiseSchema is the version of a calibration's file. One of another version counts as none.
const noiseSchema = 1

// keptPairs is how many pairs of a calibration stay, the newest: a machine changes.
const keptPairs = 200

// A Calibration is what pairs of one and the same build have shown of one scenario on one machine. It lies in the user's state
// folder, $XDG_STATE_HOME/lunchrush/noise (else ~/.local/state/lunchrush/noise), in a folder for the machine's fingerprint.
type Calibration struct {
	Schema   int                `json:"schema"`
	Machine  runlog.Fingerprint `json:"machine"`
	Testbed  string             `json:"testbed"`
	Engine   string             `json:"engine"`
	Scenario string             `json:"scenario"`
	Content  string             `json:"content"` // what the scenario asks for, as a hash: an edited one is another
	Pairs    []CalibrationPair  `json:"pairs"`   // oldest first
}

// A CalibrationPair is one pair, and when it was played.
type CalibrationPair struct {
	At   time.Time        `json:"at"`
	Pair reports.GatePair `json:"pair"`

	Lunchrush string `json:"lunchrush"`
}

// notInNames is what an engine's name has and the name of a file should not.
var notInNames = regexp.MustCompile(`[^a-z0-9.]+`)

// StateFolder is where lunchrush keeps what it has learnt about this machine.
func StateFolder() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // a relative one is to be ignored, says the specification
		return filepath.Join(dir, "lunchrush"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no folder for what is known about this machine: %w", err)
	}
	return filepath.Join(home, ".local", "state", "lunchrush"), nil
}

// contentOf is a hash of all that a scenario asks for: its plan, and its switches.
func contentOf(sc *scenarios.Scenario) (string, error) {
	plan, err := simulator.NewPlan(sc, 0)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %v %v %v %v", plan.SHA256(), sc.Service, sc.Topology, sc.Faults, sc.Database) // maps print in order
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// LoadCalibration is what is known of a scenario on this machine. Nothing known is an empty calibration and no error, and so is
// one of another edition of the scenario.
func LoadCalibration(sc *scenarios.Scenario, testbed, engine string) (*Calibration, error) {
	content, err := contentOf(sc)
	if err != nil {
		return nil, err
	}
	fresh := &Calibration{Schema: noiseSchema, Machine: fingerprint(), Testbed: testbed, Engine: engine, Scenario: sc.Name, Content: content}
	path, err := fresh.path()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, err
	}
	var c Calibration
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%s is no calibration; remove it and calibrate again: %w", path, err)
	}
	if c.Schema != noiseSchema || !c.Machine.Same(fresh.Machine) || c.Engine != engine || c.Content != content {
		return fresh, nil
	}
	return &c, nil
}

// path is the calibration's file. Its name tells editions of a scenario and engines apart, so that the calibration of one does not take
// the place of another's.
func (c *Calibration) path() (string, error) {
	state, err := StateFolder()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(c.Machine.Rounded())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	engine := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(c.Engine), "-"), "-")
	return filepath.Join(state, "noise", hex.EncodeToString(sum[:6]), fmt.Sprintf("%s-%s-%s-%.12s.json", c.Scenario, c.Testbed, engine, c.Content)), nil
}

// Add takes a pair of an A/A gate.
func (c *Calibration) Add(p reports.GatePair, at time.Time, version string) {
	p.Base.Folder, p.Head.Folder = "", ""
	c.Pairs = append(c.Pairs, CalibrationPair{At: at, Pair: p, Lunchrush: version})
	c.Pairs = c.Pairs[max(0, len(c.Pairs)-keptPairs):]
}

// Save writes the calibration in one step, and says where.
func (c *Calibration) Save() (string, error) {
	path, err := c.path()
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return "", err
	}
	_, err = part.Write(append(text, '\n'))
	if err = errors.Join(err, part.Chmod(0o644), part.Close()); err == nil { // others may gate on this machine, too
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(part.Name()))
	}
	return path, nil
}

// Noise is what the calibration means for the rules; nil when it has too few pairs.
func (c *Calibration) Noise(rules reports.GateRules) *reports.GateNoise {
	var pairs []reports.GatePair
	var from, to time.Time
	for _, p := range c.Pairs {
		pairs = append(pairs, p.Pair)
		from, to = cmp.Or(from, p.At), p.At
	}
	return reports.NoiseOf(pairs, rules, from, to)
}
