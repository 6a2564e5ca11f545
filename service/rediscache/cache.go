package rediscache

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lunchrush/lunchrush/service"
)

// options bound what a slow or dead Redis costs: a request waits at most about a second for it.
func options(address string) *redis.Options {
	return &redis.Options{
		Addr: address, DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second, PoolTimeout: time.Second,
		MaxRetries: 1, ContextTimeoutEnabled: true, DisableIdentity: true,
	}
}

// Cache is the service's cache.
type Cache struct{ client *redis.Client }

var _ service.Cache = (*Cache)(nil)

// NewCache makes a cache at host:port; it does not connect yet.
func NewCache(address string) *Cache { return &Cache{redis.NewClient(options(address))} }

// Get reads a key.
func (c *Cache) Get(ctx context.Context, key string) (string, bool, error) {
	value, err := c.client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return "", false, nil
	}
	return value, err == nil, err
}

// Put writes a key for ttl.
func (c *Cache) Put(ctx context.Context, key, value string, ttl time.Duration) error {
	return c.client.Set(ctx, key, value, ttl).Err()
}

// Drop forgets keys, 1000 at a time.
func (c *Cache) Drop(ctx context.Context, keys ...string) error {
	for chunk := range slices.Chunk(keys, 1000) {
		if err := c.client.Unlink(ctx, chunk...).Err(); err != nil {
			return err
		}
	}
	return nil
}

// Ping asks whether Redis answers.
func (c *Cache) Ping(ctx context.Context) error { return c.client.Ping(ctx).Err() }

// Close closes the connections.
func (c *Cache) Close() error { return c.client.Close() }
