package simulator

import (
	"errors"
	"testing"
	"time"
)

func TestLadders(t *testing.T) {
	tests := []struct {
		name, ladder, channel string
		steps                 int
		length                time.Duration
	}{
		{"wechat sends sixteen times over 24 h 4 min", "wechat-v3", wechatName, 15, 24*time.Hour + 4*time.Minute},
		{"alipay sends eight times over 24 h 24 min", "alipay", alipayName, 7, 24*time.Hour + 24*time.Minute},
		{"each channel has its own by default", "", alipayName, 7, 24*time.Hour + 24*time.Minute},
		{"each channel has its own by that name", "channel", wechatName, 15, 24*time.Hour + 4*time.Minute},
		{"a scenario can give alipay wechat's", "wechat-v3", alipayName, 15, 24*time.Hour + 4*time.Minute},
		{"the short one ends within seconds", "short", wechatName, 3, 7 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps := ladderOf(tt.ladder, tt.channel)
			var length time.Duration
			for _, s := range steps {
				length += s
			}
			if len(steps) != tt.steps || length != tt.length {
				t.Errorf("%d steps over %v, want %d over %v", len(steps), length, tt.steps, tt.length)
			}
		})
	}
}

func TestTakenAs(t *testing.T) {
	tests := []struct {
		name, channel string
		answer        Answer
		want          bool
	}{
		{"wechat takes 200", wechatName, Answer{Status: 200}, true},
		{"wechat takes 204", wechatName, Answer{Status: 204}, true},
		{"wechat takes 200 whatever the body says", wechatName, Answer{Status: 200, Body: []byte(`{"code":"FAIL"}`)}, true},
		{"wechat sends again after 201", wechatName, Answer{Status: 201}, false},
		{"wechat sends again after 202", wechatName, Answer{Status: 202}, false},
		{"wechat sends again after 302", wechatName, Answer{Status: 302}, false},
		{"wechat sends again after 404", wechatName, Answer{Status: 404}, false},
		{"wechat sends again after no answer", wechatName, Answer{Err: errors.New("reset")}, false},
		{"wechat takes an answer in the fifth second", wechatName, Answer{Status: 200, At: 5 * time.Second}, true},
		{"wechat sends again after an answer later than that", wechatName, Answer{Status: 200, At: 5*time.Second + 1}, false},
		{"the five seconds count from the send, not the due time", wechatName, Answer{Status: 200, Sent: time.Minute, At: 64 * time.Second}, true},
		{"alipay takes success", alipayName, Answer{Status: 200, Body: []byte("success")}, true},
		{"alipay sends again after success in capitals", alipayName, Answer{Status: 200, Body: []byte("SUCCESS")}, false},
		{"alipay sends again after success and a line end", alipayName, Answer{Status: 200, Body: []byte("success\n")}, false},
		{"alipay sends again after an empty 200", alipayName, Answer{Status: 200}, false},
		{"alipay sends again after success with 500", alipayName, Answer{Status: 500, Body: []byte("success")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := takenAs(tt.channel, tt.answer, notifyTimeout); got != tt.want {
				t.Errorf("taken = %v", got)
			}
		})
	}
}
