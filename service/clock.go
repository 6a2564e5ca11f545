package service

import "time"

// HostClock is the clock of the process's host.
type HostClock struct {
	// Offset is how far it is off: 5m is five minutes fast. It is for drills, where no host of its own can be set wrong; 0
	// everywhere else. What the service says and judges by the time of day follows it: states, signatures, the Date of an answer.
	// When a command was sent, and whether its goods can still fall, is by the database's clock, which all processes share. What
	// measures a while, such as a time-out, follows neither: a wrong clock runs as fast as a right one. The SDK of WeChat looks at the
	// machine's clock besides, so a notification must pass both.
	Offset time.Duration `yaml:"offset"`
}

// Now is the time of day in UTC as the host has it.
func (c HostClock) Now() time.Time { return time.Now().Add(c.Offset).UTC() }
