package harness

import (
	"os"
	"runtime"
	"sync"
)

// procsPerCore is how many goroutines a core may run at once, as threads among which the kernel divides it. With one, what
// the runtime would have, a send that is due waits until a goroutine that works on something else (a report, the garbage)
// gives way, which takes up to 10 ms; a thread that wakes up is let in at once. Four scenarios side by side on two cores
// under other load sent with a lateness p99 of 2.2 to 6.9 ms with one, and of 1.5 to 2.9 ms with four.
const procsPerCore = 4

// shareCores lets the kernel rather than the runtime decide who of this process runs. The service and the databases are
// processes of their own, which this does not touch. Whoever sets GOMAXPROCS has his way.
var shareCores = sync.OnceFunc(func() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(procsPerCore * runtime.GOMAXPROCS(0))
	}
})
