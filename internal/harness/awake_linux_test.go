package harness

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// wakeUp is what the kernel allows processors to take for it, in microseconds: the least that anybody asks for. It skips the test
// where that is not this user's to ask, or fails it where LUNCHRUSH_REQUIRE has "realtime".
func wakeUp(t *testing.T) int32 {
	t.Helper()
	device, err := os.Open(latencyDevice)
	refused := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
	if refused && !slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), "realtime") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	var us [4]byte
	if _, err := io.ReadFull(device, us[:]); err != nil {
		t.Fatal(err)
	}
	return int32(binary.NativeEndian.Uint32(us[:])) //nolint:gosec // the kernel's s32
}

func TestProcessorsAreKeptAwakeWhileARunIsPlayed(t *testing.T) {
	wakeUp(t)
	p := &precedence{}
	_, back := p.take()
	given, backAgain := p.take()
	back()
	if got := wakeUp(t); !given.Awake || got != 0 {
		t.Errorf("a processor may take %d us to wake up while another run is played (given: %v)", got, given.Awake)
	}
	device, ok := p.vigil.(*os.File)
	if !ok {
		t.Fatalf("it is kept by %T", p.vigil)
	}
	backAgain()
	if _, err := device.Stat(); !errors.Is(err, os.ErrClosed) || p.vigil != nil {
		t.Errorf("after the last run the request still stands: %v", err)
	}
}
