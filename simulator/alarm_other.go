//go:build !linux

package simulator

func newAlarm(bool) (alarm, error) { return newTimerAlarm(), nil }
