package simulator

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator/mishap"
)

// A stage is what every part of the world is given: the clock, the books, the timeline and the agenda. All its
// functions may be called from any goroutine.
type stage struct {
	plan     *Plan
	scenario *scenarios.Scenario
	logger   *slog.Logger

	now    func() time.Duration               // since the run's start
	wall   func(at time.Duration) time.Time   // the wall clock at a moment of the run
	book   func(runlog.Record)                // appends a record; stamps At with now when it is zero
	push   func(Send) error                   // onto the timeline; errClosed after the run's end
	after  func(at time.Duration, act func()) // does act at that moment, on the agenda's goroutine: it must not block
	paused func() time.Duration               // by how much pauses have moved the plan so far; nil: by nothing
	notice func(message string)               // tells who watches the run what takes long
	orders *directory
	prices *prices                 // what the machines' labels say; nil in tests that do not ask
	dice   map[string]*mishap.Dice // by upstream
}

// errClosedOrder is what paymentChannels.pay answers when the service has closed the order at the channel, or its
// payment window has passed there: the buyer sees "this order is closed" and keeps the money.
var errClosedOrder = errors.New("order is closed at the channel")

// errUnknownOrder is what paymentChannels.pay answers when the channel has no such order (its prepay never arrived).
var errUnknownOrder = errors.New("order is unknown to the channel")

// paymentChannels are WeChat Pay and Alipay as the rest of the simulator sees them.
//
//	func newChannels(st *stage) (paymentChannels, error)   // opens its loopback listeners; sends nothing
//
// A prepay binds the order to its plan through its attach: stage.orders.bind(out_trade_no, attach). Every book entry
// about money is made here.
type paymentChannels interface {
	// settle fills in the channels' part: base URLs and keys.
	settle(*ServiceSettings)

	// begin is called once, before the first order, with the base URLs that each channel notifies: the notifies go to
	// "/notify/wechat" and "/notify/alipay" there.
	begin(wechatURL, alipayURL string)

	// presign readies the notify of a payment that will happen about at. It only queues the work; pay works without.
	presign(order, channel string, at time.Duration)

	// pay is the buyer's payment, now. It books [runlog.ChannelPaid], pushes the notify (and its planned duplicate) and
	// returns the amount. An order already paid by the same channel is errPaidOrder. It must not block.
	pay(order, channel string) (fen int64, err error)

	// probe pushes one notification that must be refused, due at a moment of the run. It may sign on its own goroutine.
	probe(p PlanProbe, due time.Duration)

	// Close closes the listeners and waits for whatever is still being answered or signed.
	Close() error
}

// errPaidOrder is what paymentChannels.pay answers for an order that this channel has taken money for before.
var errPaidOrder = errors.New("order is paid already")

// identityUpstream is the unionid look-up.
//
//	func newIdentity(st *stage) (identityUpstream, error)
type identityUpstream interface {
	settle(*ServiceSettings)

	// begin is called once, before the first order, with front's internal base URL: it may ask there who a buyer is.
	begin(frontURL string)

	// load tells of its worker threads; a limit of 0 is none.
	load() pool
	Close() error
}

// machineFleet are the machines in the street.
//
//	func newFleet(st *stage) machineFleet
//
// Long polls run on the fleet's own connections; results and heartbeats are sends. Every book entry about goods is made here.
type machineFleet interface {
	// sheets is what the service is told of the machines before the run: the bodies of POST /internal/machines, each
	// under 8 MiB.
	sheets() [][]byte

	// begin starts the long polls against pollsURL and returns at once. They end with ctx or stop. Results and heartbeats go
	// to publicURL.
	begin(ctx context.Context, publicURL, pollsURL string)

	// offline makes a machine stop polling and beating for a while from now.
	offline(machine string, pause time.Duration)

	// idle reports whether no motor turns and no command waits for one.
	idle() bool

	// stop ends all polls and waits for them.
	stop()
}

// ServiceSettings are the addresses and keys that the configuration of the service under test needs. They are the
// simulator's own, made for one run; none is of value outside it. Keys must not reach a log or a report all the same.
type ServiceSettings struct {
	WeChatURL       string // base of WeChat Pay's merchant API
	WeChatAPIKey    string // hex, the LR-HMAC key of requests to it
	WeChatAppID     string
	WeChatMchID     string
	WeChatV3Key     string // 32 bytes, decrypts resources
	WeChatSerial    string // of the platform certificate, upper hex
	WeChatPublicKey string // PEM, PKIX: the key of public key mode

	WeChatCertificate string // PEM: the platform certificate
	WeChatPublicKeyID string // "PUB_KEY_ID_...", names WeChatPublicKey in Wechatpay-Serial

	AlipayURL       string
	AlipayAPIKey    string // hex
	AlipayAppID     string
	AlipaySellerID  string
	AlipayPublicKey string // base64 PKIX

	IdentityURL string
	RiskURL     string // "" without a bid

	QueueURL    string // base of the message queue that machines' readings come by; "" when there are none
	MeteringURL string // base of the system that is told of every reading
}
