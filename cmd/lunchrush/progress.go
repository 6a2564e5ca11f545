package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/simulator"
)

// How often the progress is told: a live line is rewritten, plain lines are added, and at each new phase.
const (
	liveEvery  = 250 * time.Millisecond
	plainEvery = 5 * time.Second
)

// A meter shows the progress of a run until it is stopped.
type meter struct {
	t    *terminal
	done chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

func newMeter(t *terminal) *meter {
	return &meter{t: t, done: make(chan struct{})}
}

// watch begins to show the world's progress.
func (m *meter) watch(w *simulator.World) {
	m.wg.Go(func() {
		tick := time.NewTicker(liveEvery)
		defer tick.Stop()
		var phase string
		var told time.Time
		for {
			select {
			case <-m.done:
				if m.t.live {
					fmt.Fprint(m.t.err, "\r\x1b[K")
				}
				return
			case <-tick.C:
			}
			p := w.Progress()
			switch {
			case m.t.live:
				fmt.Fprintf(m.t.err, "\r\x1b[K%s", m.t.cut(m.line(p)))
			case p.Phase != "" && (p.Phase != phase || time.Since(told) >= plainEvery):
				m.t.say("%s", m.line(p))
				phase, told = p.Phase, time.Now()
			}
		}
	})
}

// watchQuietly is watch where the line can be rewritten; elsewhere nobody watches: a map of many runs has other lines to print.
func (m *meter) watchQuietly() func(*simulator.World) {
	if !m.t.live {
		return nil
	}
	return m.watch
}

// note tells something between two lines of progress.
func (m *meter) note(message string) {
	if m.t.live {
		message = "\r\x1b[K" + message
	}
	m.t.say("%s", message)
}

func (m *meter) stop() {
	m.once.Do(func() { close(m.done) })
	m.wg.Wait()
}

// line is one line of progress: phase, elapsed/total, what is sent, how it is answered, and what is wrong so far.
func (m *meter) line(p simulator.Progress) string {
	losses := fmt.Sprintf("losses %d", p.Losses)
	if p.Losses > 0 {
		losses = m.t.paint(red, losses)
	}
	phase := p.Phase
	if p.Paused {
		phase = "held"
	}
	backlog := "?"
	if p.Backlog >= 0 {
		backlog = fmt.Sprint(p.Backlog)
	}
	return fmt.Sprintf("%-9s %s/%s  offered %.1f/s sent %.1f/s  p99 %s  backlog %s  paid %d dropped %d refunded %d  %s",
		phase, clockOf(p.Elapsed), clockOf(p.Total), p.OfferedRate, p.SentRate, shortDuration(p.P99), backlog,
		p.Paid, p.Dropped, p.Refunded, losses)
}

// cut keeps a line to one row of the terminal. Colour codes take no room.
func (t *terminal) cut(s string) string {
	width, room := t.errWidth()-1, 0
	inCode := false
	for i, r := range s {
		switch {
		case r == '\x1b':
			inCode = true
		case inCode:
			inCode = r != 'm'
		default:
			room++
		}
		if room > width {
			return s[:i] + "\x1b[0m"
		}
	}
	return s
}

func clockOf(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func shortDuration(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}
