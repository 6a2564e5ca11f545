package process

import (
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/paychan"
)

// channelConns bounds the connections to one upstream that has a pool of them.
const channelConns = 128

// connections are those of one upstream: a pool of its own, or as was none.
func connections(pool string) *http.Transport {
	if pool == service.None {
		return paychan.NewTransport(0)
	}
	return paychan.NewTransport(channelConns)
}

// upstreams are what the service calls, and the verifiers of what calls it.
type upstreams struct {
	channels  map[service.Channel]service.PayChannel
	verifiers map[service.Channel]service.Verifier
	identity  service.Identity
	risk      service.Risk
}

func newUpstreams(cfg *service.Config) (*upstreams, error) {
	u := &upstreams{channels: make(map[service.Channel]service.PayChannel), verifiers: make(map[service.Channel]service.Verifier)}
	keys := make(map[service.Channel][]byte)
	add := func(channel service.Channel, base string, secret service.Secret) error {
		key, err := hex.DecodeString(string(secret))
		if err != nil {
			return fmt.Errorf("%s.api_key: not hex", channel)
		}
		keys[channel] = key
		u.channels[channel], err = paychan.NewClient(paychan.ClientConfig{
			Channel: channel, BaseURL: base, Key: key, Timeout: cfg.Switches.Acquirer.Timeout,
			Transport: connections(cfg.Switches.Acquirer.Pool), Now: cfg.Clock.Now,
		})
		return err
	}
	if w := cfg.WeChat; w.BaseURL != "" {
		if err := add(service.WeChat, w.BaseURL, w.APIKey); err != nil {
			return nil, err
		}
		v, err := paychan.NewWeChat(paychan.WeChatConfig{
			AppID: w.AppID, MchID: w.MchID, APIv3Key: string(w.V3Key), Platform: w.Platform, Now: cfg.Clock.Now,
		})
		if err != nil {
			return nil, err
		}
		u.verifiers[service.WeChat] = v
	}
	if a := cfg.Alipay; a.BaseURL != "" {
		if err := add(service.Alipay, a.BaseURL, a.APIKey); err != nil {
			return nil, err
		}
		v, err := paychan.NewAlipay(paychan.AlipayConfig{AppID: a.AppID, SellerID: a.SellerID, PublicKey: a.PublicKey, Now: cfg.Clock.Now})
		if err != nil {
			return nil, err
		}
		u.verifiers[service.Alipay] = v
	}
	if r := cfg.Switches.Resolve; r.Mode != service.Off && cfg.Identity.URL != "" {
		identity, err := paychan.NewIdentity(paychan.IdentityConfig{
			BaseURL: cfg.Identity.URL, Keys: keys, Timeout: r.Timeout, Transport: connections(r.Pool), Now: cfg.Clock.Now,
		})
		if err != nil {
			return nil, err
		}
		u.identity = service.GuardIdentity(identity, r)
	}
	if cfg.Risk.URL != "" {
		risk, err := paychan.NewRisk(cfg.Risk.URL, cfg.Switches.Bid.RiskTimeout, paychan.NewTransport(cfg.Switches.Bid.Workers))
		if err != nil {
			return nil, err
		}
		u.risk = risk
	}
	return u, nil
}
