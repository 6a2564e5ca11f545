package simulator

import (
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

func TestIdentity(t *testing.T) {
	const delay = 80 * time.Millisecond
	r := newRig(t, planOf(PlanOrder{Key: "o000001", Unionid: delay}), nil)
	id, err := newIdentity(r.stage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { id.Close() })
	var s ServiceSettings
	id.settle(&s)

	tests := []struct {
		name, openid string
		status       int
		body         string
		least        time.Duration
	}{
		{"a planned buyer is answered after the plan's delay", openid("o000001"), 200, `{"unionid":"uLRo000001"}`, delay},
		{"a buyer whom nobody planned is answered too", "someone", 200, `{"unionid":"uLRsomeone"}`, 0},
		{"nobody is a mistake", "", 400, `{"code":"PARAM_ERROR","message":"openid is missing"}`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from := time.Now()
			resp, err := http.Get(s.IdentityURL + "/unionid?channel=wechat&openid=" + url.QueryEscape(tt.openid))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || string(body) != tt.body {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, tt.status, tt.body)
			}
			if took := time.Since(from); took < tt.least {
				t.Errorf("answered after %v", took)
			}
		})
	}
}

func TestOpenid(t *testing.T) {
	id := openid("o000001")
	if len(id) != openidLength || openidKey(id) != "o000001" {
		t.Errorf("%q holds %q", id, openidKey(id))
	}
	if got := openidKey("somebody else"); got != "" {
		t.Errorf("a stranger's openid holds %q", got)
	}
}
