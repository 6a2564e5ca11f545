package simulator

import "time"

// An alarm is what the pacer sleeps on. One goroutine waits; any may set. Waiting may end early, never for good.
type alarm interface {
	set(d time.Duration) // ring once, d from now instead of whenever it was set to; at once when d <= 0
	wait()               // until it rings
	close() error
}

// timerAlarm rings by the runtime's timers.
type timerAlarm struct{ timer *time.Timer }

func newTimerAlarm() timerAlarm { return timerAlarm{time.NewTimer(never)} }

func (a timerAlarm) set(d time.Duration) { a.timer.Reset(max(0, d)) }
func (a timerAlarm) wait()               { <-a.timer.C }
func (a timerAlarm) close() error        { a.timer.Stop(); return nil }
