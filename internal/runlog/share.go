package runlog

// A Share is what the balancer gave to one instance of one listener's requests, while the instance was there.
type Share struct {
	Listener string  `json:"listener"` // public, polls, wechat, alipay
	Instance string  `json:"instance"` // "front-1"
	Weight   int     `json:"weight"`
	Added    bool    `json:"added,omitempty"` // while the run went on
	Of       int64   `json:"of"`              // requests that the listener's instances were given together meanwhile
	Requests int64   `json:"requests"`        // of those, this instance's
	Fair     float64 `json:"fair"`            // of those, what its weight would have brought it

	Unanswered   int64 `json:"unanswered"`    // refused, reset, timed out, left by their client, or broken off
	ServerErrors int64 `json:"server_errors"` // answered 500 to 599
	P50NS        int64 `json:"p50_ns"`        // as the balancer saw its answers, all through the run; 0 without any
	P99NS        int64 `json:"p99_ns"`
	MaxNS        int64 `json:"max_ns"`
}

// A ColdSpell is what the clients of one instance met after it was started cold.
type ColdSpell struct {
	Instance  string `json:"instance"`
	Requests  int64  `json:"requests"` // given to it meanwhile
	Answered  int64  `json:"answered"` // of those, to the end
	Warm      bool   `json:"warm"`     // it was, in the end
	P50NS     int64  `json:"p50_ns"`   // of those answered; 0 without any
	P99NS     int64  `json:"p99_ns"`
	MaxNS     int64  `json:"max_ns"`
	LongestNS int64  `json:"longest_wait_ns"` // of a request for one of the instance's cores
}
