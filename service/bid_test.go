package service_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// hastyStore has a bid whose buyer goes away while his units are being taken.
type hastyStore struct {
	service.Store
	leave    context.CancelFunc
	returned []service.Share
}

func (s *hastyStore) Bid(context.Context, string) (service.Bid, error) {
	return service.Bid{ID: "bid1", Units: 10, Remaining: 10, State: service.BidOpen}, nil
}

func (s *hastyStore) ReserveShare(ctx context.Context, _ service.Share, _ bool) (int64, error) {
	s.leave()
	return 7, ctx.Err()
}

func (s *hastyStore) Account(ctx context.Context, _ string) (service.Account, error) {
	return service.Account{}, ctx.Err()
}

func (s *hastyStore) ReturnShare(ctx context.Context, h service.Share, _ bool, _ time.Time) (bool, error) {
	s.returned = append(s.returned, h)
	return true, ctx.Err()
}

// Otherwise they would be missing until the hold runs out, and the ledger would not tell that they were taken.
func TestUnitsOfABuyerWhoGoesAwayComeBackAtOnce(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	store := &hastyStore{leave: leave}
	bids := service.NewBids(service.Parts{
		Store: store, Profile: service.Default().Switches, Log: slog.New(slog.DiscardHandler), Metrics: service.NewMetrics(), Now: time.Now,
	}, nil)
	_, _, err := bids.Buy(ctx, "bid1", service.ShareRequest{RequestID: "r1", BuyerID: "u1", Amount: 5})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("his purchase ended with %v", err)
	}
	if len(store.returned) != 1 || store.returned[0].TakenSeq != 7 || store.returned[0].Amount != 5 {
		t.Errorf("came back: %+v, want his 5 units, taken as the 7th act", store.returned)
	}
}
