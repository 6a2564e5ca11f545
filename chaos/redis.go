package chaos

import (
	"errors"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// openRedis opens a connection of the fault's own, beside any link.
func openRedis(t *Target) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: t.Redis(), PoolSize: 1, MaxRetries: -1, DisableIdentity: true, Protocol: 2,
		DialTimeout: 2 * time.Second, ReadTimeout: 2*stallMax + 2*time.Second,
	})
}

// unlessGone forgives a heal that finds nobody: a part that another fault has killed comes back as its command line says.
func unlessGone(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) { // ENOENT: its socket in the file system
		return nil
	}
	return err
}
