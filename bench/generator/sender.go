package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/lunchrush/lunchrush/simulator/paysign"
)

// A sender sends notifications at a rate and tells what that cost.
type sender interface {
	name() string
	send(context.Context, shot) (cost, error)
}

// A shot is what one sender has to send.
type shot struct {
	url      string // of the sink
	rate     int    // per second
	duration time.Duration
	sheet    *sheet
	dir      string // for scratch files
}

// sends is how many there are.
func (s shot) sends() int { return int(s.duration.Seconds() * float64(s.rate)) }

// A cost is what a sender used for its sends.
type cost struct {
	Sent        int           `json:"sent"`
	OK          int           `json:"ok"`
	CPU         time.Duration `json:"cpu_ns"`
	LatenessP99 time.Duration `json:"lateness_p99_ns"` // ours only; 0 is not known
}

// each is the CPU time of one send.
func (c cost) each() time.Duration {
	if c.Sent == 0 {
		return 0
	}
	return c.CPU / time.Duration(c.Sent)
}

// A sheet holds the notifications that are sent over and over: signing each of 40,000 sends would take a minute.
type sheet struct {
	path  string // of the same as JSON
	Notes []note `json:"notes"`
}

// A note is one signed notification.
type note struct {
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// sheetNotes is how many different notifications there are.
const sheetNotes = 256

func newSheet(path string) (*sheet, error) {
	wechat, err := paysign.GenerateWeChat()
	if err != nil {
		return nil, err
	}
	s := &sheet{path: path, Notes: make([]note, sheetNotes)}
	now := time.Now()
	for i := range s.Notes {
		n := &s.Notes[i]
		n.Header, n.Body, err = wechat.Sign(paysign.Payment{
			OrderID: fmt.Sprintf("20170804115600%06d", i), TransactionID: fmt.Sprintf("42000000012017080411%08d", i),
			BuyerID: "oLR__________________o000001", Attach: fmt.Sprintf("o%06d", i), Fen: 350, PaidAt: now,
		}, fmt.Sprintf("EV-wechat-%08d", i), now, now)
		if err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return s, os.WriteFile(path, text, 0o600)
}

// output runs a command and gives its stdout and what the kernel says that it used.
func output(cmd *exec.Cmd) ([]byte, time.Duration, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %s", cmd.Args[0], err, lastLine(stderr.Bytes()))
	}
	return out, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

func lastLine(text []byte) []byte {
	text = bytes.TrimSpace(text)
	return text[bytes.LastIndexByte(text, '\n')+1:]
}
