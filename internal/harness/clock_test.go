package harness

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/service"
)

// A wrong clock must be all that differs: the keys and switches of the process are the same.
func TestAProcessWithAWrongClockDiffersInNothingElse(t *testing.T) {
	cfg := service.Default()
	cfg.MySQL.DSN = "u:p@tcp(127.0.0.1:1)/d"
	cfg.Redis = service.Redis{Cache: "127.0.0.1:2", Queue: "127.0.0.1:3"}
	cfg.WeChat = service.WeChatAccess{
		BaseURL: "http://127.0.0.1:4", AppID: "wx", MchID: "1", Platform: map[string]string{"5E": "PEM"},
		APIKey: service.Secret(strings.Repeat("0a", 32)), V3Key: service.Secret(strings.Repeat("k", 32)),
	}
	cfg.Identity.URL = "http://127.0.0.1:5"
	if err := cfg.Set("stop", "abrupt"); err != nil {
		t.Fatal(err)
	}
	text, err := marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &part{name: "front-1"}
	spec := testbed.ServiceSpec{Name: "front-1", Config: text}
	p.clock().Set(10 * time.Minute)
	off, err := p.clocked(spec)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Clock.Offset = 10 * time.Minute
	want, err := marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(off.Config, want) {
		t.Errorf("got\n%s\nwant\n%s", off.Config, want)
	}
	p.clock().Set(0)
	if right, err := p.clocked(spec); err != nil || !bytes.Equal(right.Config, text) {
		t.Errorf("put right it has another configuration: %v\n%s", err, right.Config)
	}
}
