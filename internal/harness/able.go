package harness

import (
	"fmt"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
)

// unable says why a kind of fault can not be on a site of this testbed, nil when it can. What a testbed can not do is refused by
// name, never weakened.
func unable(stack testbed.Stack, site, kind string) error {
	switch on := chaos.SurfaceOf(kind); {
	case on == chaos.OnContainer && stack.Name() != testbed.Containers:
		return fmt.Errorf("%s is a process on the %s testbed, which holds nothing to a limit: %s it on containers (needs: [containers])",
			site, stack.Name(), kind)
	case on == chaos.OnProcess && kind != "pause" && stackPart(site) != "" && !keeps(stack, site):
		return fmt.Errorf("%s keeps nothing on the %s testbed when it ends: %s it on local or containers", site, stack.Name(), kind)
	case (kind == "evict" || kind == "stall") && stack.Name() == testbed.Embedded:
		return fmt.Errorf("%s is a miniredis on the %s testbed, which has no memory limit and no pause: %s it on local or containers",
			site, stack.Name(), kind)
	}
	return nil
}

// keeps reports whether a database or a Redis has after its end what it needs to start again.
func keeps(stack testbed.Stack, site string) bool {
	again, ok := stack.(testbed.Restarter)
	return ok && again.Keeps(stackPart(site))
}
