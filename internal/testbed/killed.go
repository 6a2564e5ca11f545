package testbed

import "fmt"

// Killed is the error of a Stop that a part did not obey: it was told to end, went on for longer than it may, and was
// killed. Nothing of it is left.
type Killed struct {
	Part string
	Log  string // the file with what it said last
}

func (k *Killed) Error() string {
	return fmt.Sprintf("%s had to be killed: it did not end within %v; see %s", k.Part, stopGrace, k.Log)
}
