package harness

import (
	"os"
	"runtime"
	"runtime/debug"
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

// garbagePercent is how much garbage the runtime lets pile up before it collects, in percent of what is alive. A collection takes both
// cores of a small machine for 60 to 80 ms, and a thread that has the kernel's precedence waits for another one that has it too.
// Six scenarios side by side had a lateness p99 over 4 ms in 91 of 877 seconds (76 ms at worst) with Go's 100 and a collection every
// ten seconds, and in 38 of 876 (61 ms at worst) with 500, a collection every fifty, and 1.2 GB of memory instead of 0.5. A
// collection a minute is a tenth of a percent of the sends: a p99 does not see it.
const garbagePercent = 500

// collectSeldom lets garbage pile up. Whoever sets GOGC has his way.
var collectSeldom = sync.OnceFunc(func() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
})
