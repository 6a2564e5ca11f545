package service_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/service"
)

const key = "00112233445566778899aabbccddeeff"

// valid is a hardened configuration with addresses and keys.
func valid() *service.Config {
	c := service.Default()
	c.MySQL.DSN = "root:hunter2@tcp(127.0.0.1:3306)/lunchrush"
	c.Redis = service.Redis{Cache: "127.0.0.1:1", Queue: "127.0.0.1:2"}
	c.Identity.URL = "http://127.0.0.1:3"
	c.WeChat = service.WeChatAccess{
		BaseURL: "http://127.0.0.1:4", APIKey: key, AppID: "wx1", MchID: "1", V3Key: "0123456789abcdef0123456789abcdef",
		Platform: map[string]string{"AB": "-----BEGIN"},
	}
	c.Alipay = service.AlipayAccess{BaseURL: "http://127.0.0.1:5", APIKey: key, AppID: "2", PublicKey: "MII"}
	return c
}

func TestAConfigurationThatIsRefused(t *testing.T) {
	set := func(pairs ...string) func(*service.Config) {
		return func(c *service.Config) {
			for i := 0; i < len(pairs); i += 2 {
				if err := c.Set(pairs[i], pairs[i+1]); err != nil {
					panic(err)
				}
			}
		}
	}
	tests := []struct {
		name  string
		spoil func(*service.Config)
		want  []string
	}{
		{"one instance for cache and queue", func(c *service.Config) { c.Redis.Queue = c.Redis.Cache }, []string{"eviction would take queued pushes along"}},
		{"a table lock for several workers", set("callback.lock", "table"), []string{"callback.lock table with callback.workers 8"}},
		{"a table lock held by its own notification", set("callback.lock", "table", "callback.workers", "1", "notify.ack", "after-processing"), []string{"wait for the lock"}},
		{"a command that outlives the refund", set("command.ttl", "90s"), []string{"a machine could still start what is being refunded"}},
		{"remedy orders that nobody works", set("remedy", "off"), []string{"queue.void remedy with remedy off"}},
		{"an identity look-up without its address", func(c *service.Config) { c.Identity.URL = "" }, []string{"identity.mode is async"}},
		{"no ladder", set("queue.ladder", ""), []string{"queue.ladder: empty"}},
		{"an archive that is more than a name", func(c *service.Config) { c.MySQL.Archive = "a.b; DROP" }, []string{`mysql.archive: "a.b; DROP" is no name`}},
		{"no channel", func(c *service.Config) { c.WeChat.BaseURL, c.Alipay.BaseURL = "", "" }, []string{"no channel to be paid by"}},
		{"everything at once", func(c *service.Config) {
			c.MySQL.DSN, c.Listen.Public, c.WeChat.V3Key, c.Peers.Front = "", "x", "short", service.URLs{"ftp://x"}
			c.Switches.Dedupe = "maybe"
		}, []string{"mysql.dsn: empty", `listen.public: "x" is not host:port`, "wechat.v3_key: 5 bytes", "peers.front[0]", `dedupe: "maybe" is not one of unique, none`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := valid()
			test.spoil(c)
			err := c.Validate()
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, wanted %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
	if err := valid().Validate(); err != nil {
		t.Errorf("a valid configuration: %v", err)
	}
	shared := valid()
	shared.Redis.Queue = shared.Redis.Cache
	shared.Switches.Redis.Queue = service.Same
	if err := shared.Validate(); err != nil || shared.QueueAddress() != shared.Redis.Cache {
		t.Errorf("one instance for both, as it was: queue at %s, %v", shared.QueueAddress(), err)
	}
}

func TestSet(t *testing.T) {
	tests := []struct{ name, key, value, want, err string }{
		{"a word", "callback.lock", "table", "table", ""},
		{"a count", "callback.workers", "1", "1", ""},
		{"a duration", "refund.after", "90s", "1m30s", ""},
		{"no deadline", "front.deadline", "none", "0s", ""},
		{"a ladder", "queue.ladder", "10s, 1m 5m", "10s 1m 5m", ""},
		{"a ladder as YAML writes it", "queue.ladder", "[10s, 1h]", "10s 1h", ""},
		{"a bool", "callback.confirm", "true", "true", ""},
		{"a switch with a name of its own", "remedy", "off", "off", ""},
		{"a word that is not known", "callback.lock", "tabel", "", `callback.lock: "tabel" is not one of row, table`},
		{"a count that is none", "callback.workers", "0", "", "callback.workers: 0 is not a whole number >= 1"},
		{"a duration without a unit", "refund.after", "90", "", `refund.after: "90" is not a duration >= 1s`},
		{"a step of no length", "queue.ladder", "10s 0s", "", "queue.ladder: step 2 is 0s: each must be longer than 0"},
		{"a misspelt switch names its neighbour", "calback.worker", "1", "", "calback.worker: no such switch; did you mean callback.workers?"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := service.Default()
			err := c.Set(test.key, test.value)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("error %v, wanted %s", err, test.err)
				}
				return
			}
			if err != nil || c.Effective()[test.key] != test.want {
				t.Errorf("%q, error %v", c.Effective()[test.key], err)
			}
		})
	}
}

func TestEverySwitchIsDocumented(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range service.Switches() {
		if s.Doc == "" || s.Incident == "" || s.Accepts == "" || s.Default == "" {
			t.Errorf("%+v", s)
		}
		if seen[s.Key] {
			t.Errorf("%s twice", s.Key)
		}
		seen[s.Key] = true
		if err := service.Default().Set(s.Key, s.Default); err != nil {
			t.Errorf("its own default is refused: %v", err)
		}
	}
}

func TestAConfigurationSurvivesItsFile(t *testing.T) {
	c := valid()
	must(t, c.Set("queue.ladder", "1s 2s"))
	must(t, c.Set("callback.workers", "3"))
	c.Peers.Front = service.URLs{"http://127.0.0.1:9"}
	text, err := yaml.Marshal(c)
	must(t, err)
	again, err := service.ParseConfig(text)
	must(t, err)
	if fmt.Sprintf("%+v", *again) != fmt.Sprintf("%+v", *c) || again.MySQL.DSN != c.MySQL.DSN || again.WeChat.V3Key != c.WeChat.V3Key {
		t.Errorf("got %+v, wanted %+v", again, c)
	}
	if !maps.Equal(c.Effective(), again.Effective()) {
		t.Error("switches differ")
	}
}

func TestAnUnknownKeyIsRefused(t *testing.T) {
	_, err := service.ParseConfig([]byte("switches: {callback: {worker: 3}}\n"))
	if err == nil || !strings.Contains(err.Error(), "line 1: field worker not found") {
		t.Errorf("error: %v", err)
	}
}

func TestAPeerMayBeWrittenAsOneURL(t *testing.T) {
	var p service.Peers
	must(t, yaml.Unmarshal([]byte("front: http://a\nshop: [http://b, http://c]\nnotifier: ''\n"), &p))
	if !slices.Equal(p.Front, service.URLs{"http://a"}) || len(p.Shop) != 2 || len(p.Notifier) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestSecretsStayHidden(t *testing.T) {
	c := valid()
	var text strings.Builder
	log := slog.New(slog.NewJSONHandler(&text, nil))
	log.Info("config", "config", c, "dsn", c.MySQL.DSN)
	blob, err := json.Marshal(c)
	must(t, err)
	fmt.Fprintf(&text, "%v %+v %#v %s %s", c, *c, c.MySQL, c.MySQL.DSN, blob)
	for _, v := range c.Effective() {
		text.WriteString(v)
	}
	for _, secret := range []string{"hunter2", key, string(c.WeChat.V3Key)} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("%q is told", secret)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	text, err := yaml.Marshal(valid())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("switches: {queue: {ladder: [1s, x]}}"))
	f.Add([]byte("peers: {front: {}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := service.ParseConfig(text)
		if err == nil {
			must(t, c.Validate())
		}
	})
}

func TestOrderIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "now"))
		a, b := service.NewOrderID(now), service.NewOrderID(now.Add(time.Millisecond))
		if a >= b || len(a) > 32 {
			t.Fatalf("%q is not before %q", a, b)
		}
	})
	if a, b := service.NewOrderID(time.Now()), service.NewOrderID(time.Now()); a == b {
		t.Error("the same id twice")
	}
}

func TestRefundNumbers(t *testing.T) {
	a, b := service.RefundNo(service.WeChat, "1"), service.RefundNo(service.Alipay, "1")
	if a == b || a != service.RefundNo(service.WeChat, "1") {
		t.Errorf("%s %s", a, b)
	}
	long := service.RefundNo(service.WeChat, strings.Repeat("1", 100))
	if len(long) > 64 || long == service.RefundNo(service.WeChat, strings.Repeat("1", 99)) {
		t.Errorf("%s", long)
	}
}

func TestMoves(t *testing.T) {
	all := []service.State{
		service.Created, service.Paying, service.Paid, service.Dispensing, service.Dispensed, service.Refunding, service.Refunded, service.Closed,
	}
	for _, s := range all {
		if s.CanBecome(s) {
			t.Errorf("%s can become itself", s)
		}
		for _, next := range all {
			if s.Final() && s != service.Closed && s.CanBecome(next) {
				t.Errorf("%s is final, and can become %s", s, next)
			}
			if next == service.Created && s.CanBecome(next) {
				t.Errorf("%s can become CREATED", s)
			}
		}
	}
	if service.Refunded.CanBecome(service.Dispensing) || service.Dispensed.CanBecome(service.Refunding) {
		t.Error("goods and money")
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
