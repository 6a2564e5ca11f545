package paychan

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// Risk asks whether a buyer may lend. It may be used by many goroutines at once.
type Risk struct{ up *upstream }

var _ service.Risk = (*Risk)(nil)

// NewRisk checks the address and the time-out of one call. Nothing is dialed. The question is signed with no key: the
// answer is worth nothing to anybody else.
func NewRisk(base string, timeout time.Duration, transport http.RoundTripper) (*Risk, error) {
	up, err := newUpstream("risk", base, timeout, transport)
	if err != nil {
		return nil, err
	}
	return &Risk{up}, nil
}

// Fit reports whether the buyer may buy.
func (r *Risk) Fit(ctx context.Context, buyerID string) (bool, error) {
	var out struct {
		Fit bool `json:"fit"`
	}
	err := r.up.call(ctx, nil, http.MethodGet, "/risk", url.Values{"buyer_id": {buyerID}}, nil, &out)
	return out.Fit, err
}
