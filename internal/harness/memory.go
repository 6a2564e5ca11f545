package harness

import "sync"

// inMemory keeps the program's code in memory from the first run on, where the kernel allows it to this user. A page of it that was
// not used for a minute is the first to go when memory is reclaimed, as some machines do all the time, and a send that
// needs it waits for the disk: where all of it was given up twice a second, one of a hundred sends was 9.8 to 11.5 ms late.
var inMemory = sync.OnceFunc(func() { _ = lockProgram() })
