package simulator

import "time"

// A ladder is how long a channel waits from one send of a notification to the next, until it is answered as a success.
// After the last step the channel gives up.
type ladder []time.Duration

// The documented ladders. WeChat Pay's is that of its v3 payment notification: 16 sends over 24 h 4 min. Alipay's has 8
// sends over 24 h 24 min. Other products of theirs climb differently, which is why a ladder is data.
var ladders = map[string]ladder{
	"wechat-v3": {
		15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute,
		30 * time.Minute, 30 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour,
		6 * time.Hour, 6 * time.Hour,
	},
	"alipay": {
		4 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour,
	},
	// Not documented anywhere: for tests that must see a ladder's end.
	"short": {time.Second, 2 * time.Second, 4 * time.Second},
}

// ladderOf is the ladder that a scenario's name for it means for a channel: "" and "channel" are the channel's own.
func ladderOf(name string, channel string) ladder {
	if steps, ok := ladders[name]; ok {
		return steps
	}
	if channel == alipayName {
		return ladders["alipay"]
	}
	return ladders["wechat-v3"]
}

// notifyTimeout is how long both channels wait for the answer to a notification.
const notifyTimeout = 5 * time.Second

// takenAs reports whether a channel takes an answer as a success. WeChat Pay looks at the status alone, and only 200 and
// 204 count: 201 has been seen to be sent again. Alipay wants the seven letters and nothing else.
func takenAs(channel string, a Answer, timeout time.Duration) bool {
	if a.Status == 0 || a.Err != nil || a.At-a.Sent > timeout {
		return false
	}
	if channel == alipayName {
		return a.Status == 200 && string(a.Body) == "success"
	}
	return a.Status == 200 || a.Status == 204
}
