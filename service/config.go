package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.yaml.in/yaml/v3"
)

// Config is everything that one process of the service is told: where its neighbours are, the keys, and the switches.
//
// [Default] is the hardened profile; it lacks addresses and keys only. Each switch turns one mitigation off again, and
// names the incident that the mitigation answers.
type Config struct {
	Listen   Listen         `yaml:"listen"`
	MySQL    MySQL          `yaml:"mysql"`
	Redis    Redis          `yaml:"redis"`
	WeChat   WeChatAccess   `yaml:"wechat"`
	Alipay   AlipayAccess   `yaml:"alipay"`
	Identity IdentityAccess `yaml:"identity_service"`
	Risk     RiskAccess     `yaml:"risk_service"`
	Intake   IntakeAccess   `yaml:"intake"`
	Peers    Peers          `yaml:"peers"`
	Registry RegistryAccess `yaml:"registry"`
	Clock    HostClock      `yaml:"clock"`
	Switches Profile        `yaml:"switches"`
}

// Listen is where the process listens. Port 0 picks a free one; the line on stdout tells which.
type Listen struct {
	Public   string `yaml:"public"`
	Internal string `yaml:"internal"`
}

// MySQL says how the database is reached: a go-sql-driver/mysql DSN. It carries a password, hence a secret.
//
// Archive names another database of the same server, which must be there, for what is large and hardly ever written: the
// records that an upgrade voided. "" means the DSN's own.
type MySQL struct {
	DSN        Secret `yaml:"dsn"`
	Archive    string `yaml:"archive"`
	ReplicaDSN Secret `yaml:"replica_dsn"` // of a read-only replica; "" when there is none. Read from with reads replica only
}

// Redis gives host:port of the two instances. The same address for both is refused, unless redis.queue says that it is meant: a
// cache's eviction would take queued pushes along.
type Redis struct {
	Cache string `yaml:"cache"`
	Queue string `yaml:"queue"`
}

// QueueAddress is where queued pushes lie.
//
// As was (redis.queue same): beside the cache. What hurts: the limit that suits a cache evicts lists like any other key, and what
// empties the cache empties the queue.
func (c *Config) QueueAddress() string {
	if c.Switches.Redis.Queue == Same {
		return c.Redis.Cache
	}
	return c.Redis.Queue
}

// WeChatAccess is the WeChat Pay merchant.
type WeChatAccess struct {
	BaseURL string `yaml:"base_url"` // of the merchant API; "" means that the channel is not used
	APIKey  Secret `yaml:"api_key"`  // hex, the LR-HMAC key of requests to it
	AppID   string `yaml:"app_id"`
	MchID   string `yaml:"mch_id"`
	V3Key   Secret `yaml:"v3_key"` // 32 bytes, decrypts a notification's resource

	// Platform holds the platform's certificates or public keys by serial or public key id (PUB_KEY_ID_...), PEM each. Several
	// while a key is being rotated.
	Platform map[string]string `yaml:"platform"`
}

// AlipayAccess is the Alipay merchant.
type AlipayAccess struct {
	BaseURL   string `yaml:"base_url"` // "" means that the channel is not used
	APIKey    Secret `yaml:"api_key"`  // hex, the LR-HMAC key of requests to it
	AppID     string `yaml:"app_id"`
	SellerID  string `yaml:"seller_id"`  // notifications for another seller are refused; "" takes any
	PublicKey string `yaml:"public_key"` // Alipay's, base64 of PKIX
}

// IdentityAccess is the unionid look-up.
type IdentityAccess struct {
	URL string `yaml:"url"`
}

// RiskAccess is the risk check of a bid's buyers. "" means that nobody is asked.
type RiskAccess struct {
	URL string `yaml:"url"`
}

// RegistryAccess is where the process announces itself, so that the balancer sends to it.
type RegistryAccess struct {
	URL      string `yaml:"url"`      // base URL; "" means that it announces itself nowhere
	Identity string `yaml:"identity"` // this host's name
	Hosts    string `yaml:"hosts"`    // this host's hosts file: lines of an address and its names
}

// Peers are the other roles' internal base URLs. An empty list means that the role runs in this process.
type Peers struct {
	Front    URLs `yaml:"front"`
	Shop     URLs `yaml:"shop"`
	Notifier URLs `yaml:"notifier"`
}

// URLs is a list of base URLs; a file may write a single one as a scalar.
type URLs []string

// UnmarshalYAML takes a scalar or a list.
func (u *URLs) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		if *u = nil; n.Value != "" {
			*u = URLs{n.Value}
		}
		return nil
	}
	var list []string
	if err := n.Decode(&list); err != nil {
		return err
	}
	*u = list
	return nil
}

// A Secret is a string that no log, error or report shows. Only YAML, which the process is configured by, carries it.
type Secret string

const redacted = "[redacted]"

// String hides the secret, in %v and %s.
func (s Secret) String() string { return redacted }

// GoString hides it in %#v.
func (s Secret) GoString() string { return redacted }

// LogValue hides it from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides it from JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue shows the switches that differ from the hardened profile, and no address or key.
func (c *Config) LogValue() slog.Value {
	var attrs []slog.Attr
	hardened := Default().Effective()
	for key, value := range c.Effective() {
		if value != hardened[key] {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	return slog.GroupValue(attrs...)
}

// ParseConfig reads a YAML configuration on top of [Default] and validates it. An unknown key is a mistake.
func ParseConfig(text []byte) (*Config, error) {
	c := Default()
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// Default is the hardened profile, without addresses and keys.
func Default() *Config {
	return &Config{
		Listen: Listen{Public: "127.0.0.1:0", Internal: "127.0.0.1:0"},
		Switches: Profile{
			DB:       DBSwitches{Pool: Bounded, MaxOpen: 20, Hold: PerStatement, Retry: Bounded},
			Enqueue:  EnqueueSwitches{Lock: UniqueKey},
			Lock:     LockSwitches{Order: Fixed},
			Notify:   NotifySwitches{Ack: OnPersist},
			Dedupe:   Unique,
			Reads:    Primary,
			Gate:     PoolSwitches{Workers: 32, QueueLen: 512},
			Callback: CallbackSwitches{Workers: 8, Batch: 200, Lock: LockRow, Threads: Own, Confirm: false, Lease: 30 * time.Second, Poll: 250 * time.Millisecond},
			Queue: QueueSwitches{
				Ladder: []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour},
				Void:   VoidRemedy, Archive: 10 * time.Minute,
			},
			Refund:   RefundSwitches{After: 90 * time.Second, Guard: GuardCAS, CancelWait: 10 * time.Second, Every: time.Second},
			Command:  CommandSwitches{TTL: 20 * time.Second, Late: 30 * time.Second, PushAgain: 10 * time.Second},
			Consumer: ConsumerSwitches{Prefetch: Bounded, Delete: Sync, Workers: 10},
			Dispense: DispenseSwitches{MaxAge: 5 * time.Minute},
			Pay:      PaySwitches{Window: 5 * time.Minute},
			Remedy:   RemedySwitches{Mode: On, After: 30 * time.Second, Every: 5 * time.Second},
			Cache:    CacheSwitches{Mode: SingleFlight, TTL: time.Minute, TTLJitter: 12 * time.Second, NegativeTTL: 5 * time.Second, Stale: time.Minute},
			Front:    FrontSwitches{Queue: Bounded, Workers: 64, QueueLen: 256, Deadline: 2 * time.Second, Prepay: Direct},
			Admit:    PaidFirst,
			Callers:  CallersSwitches{Share: Split},
			Channels: ChannelsSwitches{Share: Split},
			Resolve:  IdentitySwitches{Mode: Async, Timeout: 3 * time.Second, Pool: Bounded, Breaker: On},
			Acquirer: AcquirerSwitches{Pool: Bounded, Timeout: 3 * time.Second},
			Registry: RegistrySwitches{Address: Self},
			Stop:     StopSwitches{Mode: Graceful, Linger: 3 * time.Second},
			Ready:    Checked,
			Redis:    RedisSwitches{Queue: Separate},
			Stock:    StockCAS,
			Progress: ProgressDerived,
			Bid:      BidSwitches{Workers: 200, Hold: 30 * time.Second, ReturnEvery: time.Second, RiskTimeout: 3 * time.Second},
			Ingest:   IngestSwitches{Mode: Durable, Backlog: 500, Workers: 4, Lease: 30 * time.Second, Every: 500 * time.Millisecond},
		},
	}
}
