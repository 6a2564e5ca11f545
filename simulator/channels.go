package simulator

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/simulator/paysign"
)

// The channels' names on the wire.
const (
	wechatName = "wechat"
	alipayName = "alipay"
)

// rotated is the share of WeChat notifies that is signed in public key mode, the rest by the platform certificate: a
// merchant in the middle of the rotation gets both. A step of paysign.RotationSteps.
const rotated = 0.5

// channels are WeChat Pay and Alipay: their merchant interface and their notifications. Both are served under one
// listener, each with its own book.
type channels struct {
	st     *stage
	server *loopbackServer
	signer *paysign.Presigner
	wechat *channel
	alipay *channel
	teller teller

	mu     sync.Mutex // guards what follows
	closed bool
}

var _ paymentChannels = (*channels)(nil)

// A channel is one of the two.
type channel struct {
	name     string
	st       *stage
	owner    *channels
	signer   paysign.Signer
	key      []byte // of the service's calls
	steps    ladder
	timeout  time.Duration // for the answer to a notification
	gate     string        // where notifications go; set once by begin
	day      string        // of the run's start, within the numbers that the channel gives out
	settings func(*ServiceSettings)

	mu    sync.Mutex // guards what follows; held while the book is written, so the book's order is the truth's
	bills map[string]*bill
	last  *bill // the newest that nobody has paid: what probes pretend to be about
	count int   // numbers given out
}

func newChannels(st *stage) (paymentChannels, error) {
	keys, err := processKeys()
	if err != nil {
		return nil, err
	}
	return openChannels(st, keys.wechat, keys.alipay)
}

// A keyring is what both channels sign with.
type keyring struct {
	wechat *paysign.WeChat
	alipay *paysign.Alipay
}

// processKeys are the same in all runs of this process: making them takes every core for 0.3 s, in which no send of another run would
// leave.
var processKeys = sync.OnceValues(func() (k keyring, err error) {
	k.wechat, k.alipay, err = paysign.Generate()
	return k, err
})

func openChannels(st *stage, wechat *paysign.WeChat, alipay *paysign.Alipay) (*channels, error) {
	cs := makeChannels(st, wechat, alipay)
	server, err := newLoopbackServer(cs.routes())
	if err != nil {
		cs.signer.Close()
		return nil, fmt.Errorf("opening the payment channels: %w", err)
	}
	cs.server = server
	return cs, nil
}

// makeChannels makes channels that nobody can call: tests in virtual time can not have a listener.
func makeChannels(st *stage, wechat *paysign.WeChat, alipay *paysign.Alipay) *channels {
	cs := &channels{st: st}
	wechat.Rotate(rotated)
	w, a := wechat.Material(), alipay.Material()
	cs.wechat = cs.newChannel(wechatName, wechat, []byte(w.APIv3Key))
	cs.alipay = cs.newChannel(alipayName, alipay, []byte(a.APIKey))
	cs.wechat.settings = func(s *ServiceSettings) {
		s.WeChatAPIKey = hex.EncodeToString([]byte(w.APIv3Key))
		s.WeChatAppID, s.WeChatMchID, s.WeChatV3Key = w.AppID, w.MchID, w.APIv3Key
		s.WeChatSerial, s.WeChatCertificate = w.Serial, w.CertificatePEM
		s.WeChatPublicKeyID, s.WeChatPublicKey = w.PublicKeyID, w.PublicKeyPEM
	}
	cs.alipay.settings = func(s *ServiceSettings) {
		s.AlipayAPIKey = hex.EncodeToString([]byte(a.APIKey))
		s.AlipayAppID, s.AlipaySellerID, s.AlipayPublicKey = a.AppID, a.SellerID, a.PublicKey
	}
	cs.signer = paysign.NewPresigner(context.Background(), 0, 0)
	return cs
}

func (cs *channels) newChannel(name string, signer paysign.Signer, key []byte) *channel {
	notify := cs.st.scenario.Payments.Notify
	c := &channel{
		name: name, st: cs.st, owner: cs, signer: signer, key: key,
		steps: ladderOf(notify.Ladder, name), timeout: notify.Timeout,
		day:   cs.st.wall(0).Format("20060102"),
		bills: make(map[string]*bill),
	}
	if c.timeout <= 0 {
		c.timeout = notifyTimeout
	}
	return c
}

// named is the channel of that name, nil for a name that nobody has.
func (cs *channels) named(name string) *channel {
	switch name {
	case wechatName:
		return cs.wechat
	case alipayName:
		return cs.alipay
	}
	return nil
}

func (cs *channels) settle(s *ServiceSettings) {
	s.WeChatURL, s.AlipayURL = cs.server.url+"/"+wechatName, cs.server.url+"/"+alipayName
	cs.wechat.settings(s)
	cs.alipay.settings(s)
}

func (cs *channels) begin(wechatURL, alipayURL string) {
	cs.wechat.gate = strings.TrimRight(wechatURL, "/") + "/notify/" + wechatName
	cs.alipay.gate = strings.TrimRight(alipayURL, "/") + "/notify/" + alipayName
}

func (cs *channels) presign(order, channel string, at time.Duration) {
	if c := cs.named(channel); c != nil {
		c.presign(order, at)
	}
}

func (cs *channels) pay(order, channel string) (fen int64, err error) {
	c := cs.named(channel)
	if c == nil {
		return 0, fmt.Errorf("%w: there is no channel %q", errUnknownOrder, channel)
	}
	return c.pay(order)
}

// Close drops the ladder steps that have not come due.
func (cs *channels) Close() error {
	cs.mu.Lock()
	cs.closed = true
	cs.mu.Unlock()
	cs.signer.Close()
	if cs.server == nil {
		return nil
	}
	return cs.server.Close()
}

func (cs *channels) over() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.closed
}
