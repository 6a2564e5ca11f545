package service

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
)

// Validate tells everything that is wrong with the configuration at once, combinations included.
func (c *Config) Validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	c.validateAddresses(add)
	return errors.Join(append(problems, c.ValidateSwitches())...)
}

// isDatabase matches what stands in statements as it is.
var isDatabase = regexp.MustCompile(`^[a-z0-9_]{0,64}$`)

// ValidateSwitches tells what is wrong with the switches alone, for those who have no addresses yet.
func (c *Config) ValidateSwitches() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for f := range c.fields() {
		if err := f.check(); err != nil {
			add("%s: %w", f.key, err)
		}
	}
	c.validateCombinations(add)
	return errors.Join(problems...)
}

func (c *Config) validateAddresses(add func(string, ...any)) {
	for _, a := range []struct{ name, value string }{
		{"listen.public", c.Listen.Public},
		{"listen.internal", c.Listen.Internal},
		{"redis.cache", c.Redis.Cache},
		{"redis.queue", c.Redis.Queue},
	} {
		if _, _, err := net.SplitHostPort(a.value); err != nil {
			add("%s: %q is not host:port", a.name, a.value)
		}
	}
	c.Intake.validate(add)
	if c.MySQL.DSN == "" {
		add("mysql.dsn: empty")
	}
	if !isDatabase.MatchString(c.MySQL.Archive) {
		add("mysql.archive: %q is no name of a database: at most 64 of a-z 0-9 _", c.MySQL.Archive)
	}
	if c.Switches.Reads == Replica && c.MySQL.ReplicaDSN == "" {
		add("mysql.replica_dsn: empty, but reads is replica: set it to primary, or give the replica")
	}
	if c.Redis.Cache != "" && c.Redis.Cache == c.Redis.Queue && c.Switches.Redis.Queue != Same {
		add("redis: cache and queue are both %s: the cache's eviction would take queued pushes along", c.Redis.Cache)
	}
	if c.Listen.Public == c.Listen.Internal && !isPortZero(c.Listen.Public) {
		add("listen: public and internal are both %s", c.Listen.Public)
	}
	if c.WeChat.BaseURL == "" && c.Alipay.BaseURL == "" {
		add("wechat.base_url, alipay.base_url: both empty: no channel to be paid by")
	}
	if c.WeChat.BaseURL != "" {
		validateURL(add, "wechat.base_url", c.WeChat.BaseURL)
		validateKey(add, "wechat.api_key", c.WeChat.APIKey)
		if len(c.WeChat.V3Key) != 32 {
			add("wechat.v3_key: %d bytes, wanted 32", len(c.WeChat.V3Key))
		}
		if len(c.WeChat.Platform) == 0 {
			add("wechat.platform: no certificate or public key to verify notifications with")
		}
	}
	if c.Alipay.BaseURL != "" {
		validateURL(add, "alipay.base_url", c.Alipay.BaseURL)
		validateKey(add, "alipay.api_key", c.Alipay.APIKey)
		if c.Alipay.PublicKey == "" {
			add("alipay.public_key: empty: notifications could not be verified")
		}
	}
	for _, list := range []struct {
		name string
		urls URLs
	}{{"peers.front", c.Peers.Front}, {"peers.shop", c.Peers.Shop}, {"peers.notifier", c.Peers.Notifier}} {
		for i, u := range list.urls {
			validateURL(add, fmt.Sprintf("%s[%d]", list.name, i), u)
		}
	}
	if c.Risk.URL != "" {
		validateURL(add, "risk_service.url", c.Risk.URL)
	}
	if c.Registry.URL != "" {
		validateURL(add, "registry.url", c.Registry.URL)
		if c.Registry.Identity == "" {
			add("registry.identity: empty: the registry would not know whose address it is")
		}
	}
	if c.Identity.URL != "" {
		validateURL(add, "identity_service.url", c.Identity.URL)
	} else if c.Switches.Resolve.Mode != Off {
		add("identity_service.url: empty, but identity.mode is %s: set it to off, or give the url", c.Switches.Resolve.Mode)
	}
}

func (c *Config) validateCombinations(add func(string, ...any)) {
	s := &c.Switches
	if s.Callback.Lock == LockTable && s.Notify.Ack == AfterProcessing {
		add("callback.lock table with notify.ack after-processing: a notification would wait for the lock that its own row's consumer holds")
	}
	if s.Callback.Lock == LockTable && s.Callback.Workers > 1 {
		add("callback.lock table with callback.workers %d: the lock lets one work at a time; set callback.workers to 1", s.Callback.Workers)
	}
	if s.Refund.Guard == GuardCAS && s.Command.TTL >= s.Refund.After {
		add("command.ttl %s is not shorter than refund.after %s: a machine could still start what is being refunded",
			durationText(s.Command.TTL), durationText(s.Refund.After))
	}
	if s.Queue.Void == VoidRemedy && s.Remedy.Mode == Off {
		add("queue.void remedy with remedy off: nobody would work the remedy orders; set queue.void to silent")
	}
	if len(s.Queue.Ladder) == 0 {
		add("queue.ladder: empty: a row that can not be consumed at once would be void")
	}
	if s.Callback.Lease <= s.Front.Deadline {
		add("callback.lease %s is not longer than front.deadline %s: a row would be taken over while it is handled",
			durationText(s.Callback.Lease), durationText(s.Front.Deadline))
	}
}

func isPortZero(address string) bool {
	_, port, _ := net.SplitHostPort(address)
	return port == "0"
}

func validateURL(add func(string, ...any), name, text string) {
	u, err := url.Parse(text)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "" {
		add("%s: %q is not an http or https URL", name, text)
	}
}

func validateKey(add func(string, ...any), name string, key Secret) {
	if b, err := hex.DecodeString(string(key)); err != nil || len(b) < 16 {
		add("%s: not at least 16 bytes in hex", name)
	}
}
