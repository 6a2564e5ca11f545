package paychan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// IdentityConfig is the identity upstream. Every field must be set.
type IdentityConfig struct {
	BaseURL   string
	Keys      map[service.Channel][]byte // each channel's API key, which signs the question about its buyer
	Timeout   time.Duration              // of one call; 6 s and then 3 s in the incident unionid-down
	Transport http.RoundTripper
	Now       func() time.Time // signs; nil: the machine's clock
}

// Identity asks who a buyer is across channels. It may be used by many goroutines at once.
type Identity struct {
	keys map[service.Channel][]byte
	up   *upstream
}

var _ service.Identity = (*Identity)(nil)

// NewIdentity checks the config. Nothing is dialed.
func NewIdentity(c IdentityConfig) (*Identity, error) {
	if len(c.Keys) == 0 {
		return nil, errors.New("identity: no API key")
	}
	up, err := newUpstream("identity", c.BaseURL, c.Timeout, c.Transport)
	if err != nil {
		return nil, err
	}
	up.clock = c.Now
	return &Identity{keys: c.Keys, up: up}, nil
}

// UnionID gives the buyer's id across channels.
func (i *Identity) UnionID(ctx context.Context, channel service.Channel, openid string) (string, error) {
	key, ok := i.keys[channel]
	if !ok {
		return "", fmt.Errorf("identity: no key for channel %q", channel)
	}
	var out struct {
		UnionID string `json:"unionid"`
	}
	query := url.Values{"channel": {string(channel)}, "openid": {openid}}
	if err := i.up.call(ctx, key, http.MethodGet, "/unionid", query, nil, &out); err != nil {
		return "", err
	}
	if !id(out.UnionID, maxNotifyID) {
		return "", errors.New("identity: answered without a unionid")
	}
	return out.UnionID, nil
}
