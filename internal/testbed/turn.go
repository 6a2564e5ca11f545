package testbed

import (
	"context"
	"path/filepath"
	"time"
)

// endApart is between the ends of two containers: an engine older than 20.10.27 whose containers end at the same moment may lock itself up
// (moby/moby#42545). With 20.10.24 seven that ended within 100 ms did it once, and nobody was answered from then on.
const endApart = 250 * time.Millisecond

// endTurn waits until an engine may be told to end one more container, whichever of this user's processes told it last. The caller calls
// told when it has done so; endApart later it is the next one's turn. A kill in the middle of a run is a fault that has its moment and does
// not wait, nor does an end for which there is no time left.
func endTurn(ctx context.Context) (told func()) {
	dir, err := cacheFolder()
	if err != nil {
		return func() {}
	}
	unlock, err := lock(ctx, filepath.Join(dir, "container-ends.lock"), func() {})
	if err != nil {
		return func() {}
	}
	return func() { time.AfterFunc(endApart, unlock) } // the end of this process unlocks, too
}
