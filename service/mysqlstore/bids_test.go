package mysqlstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/mysqlstore"
)

// A shareLine is a share, or a bid, as the book has it.
type shareLine struct {
	Table, Kind, Key, State string
	N                       int64
	TakenSeq                int64 `json:"taken_seq"`
	ReturnedSeq             int64 `json:"returned_seq"`
}

// shareLines are the shares of the book, by request.
func shareLines(t *testing.T, store *mysqlstore.Store) map[string]shareLine {
	t.Helper()
	lines := make(map[string]shareLine)
	err := store.Book(t.Context(), func(line any) error {
		var l shareLine
		text, err := json.Marshal(line)
		if err == nil {
			err = json.Unmarshal(text, &l)
		}
		if l.Table == "call" && l.Kind == "bid" && l.Key != "" {
			lines[l.Key] = l
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// sale is a bid of so many units and a buyer who can pay for them.
func sale(t *testing.T, store *mysqlstore.Store, units int64) (share func(request string, amount int64) service.Share) {
	t.Helper()
	err := store.PutBid(t.Context(), service.Bid{ID: "b", BorrowerID: "o", Units: units}, []service.Account{{BuyerID: "u", Balance: 1 << 40}})
	if err != nil {
		t.Fatal(err)
	}
	return func(request string, amount int64) service.Share {
		return service.Share{RequestID: request, BidID: "b", BuyerID: "u", Amount: amount, State: service.ShareReserved}
	}
}

func TestTheBookTellsTheOrderInWhichUnitsWereTakenAndCameBack(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	share := sale(t, store, 10)
	ctx, now := t.Context(), time.UnixMilli(1)
	reserve := func(s service.Share, want error) service.Share {
		t.Helper()
		seq, err := store.ReserveShare(ctx, s, false)
		if !errors.Is(err, want) {
			t.Fatalf("%s is reserved with %v, wanted %v", s.RequestID, err, want)
		}
		s.TakenSeq = seq
		return s
	}
	moved := func(what string, want bool, is bool, err error) {
		t.Helper()
		if err != nil || is != want {
			t.Fatalf("%s: moved %v, %v", what, is, err)
		}
	}
	a := reserve(share("a", 6), nil)
	b := reserve(share("b", 4), nil)
	reserve(share("none left", 1), service.ErrSoldOut)
	reserve(share("a", 1), service.ErrDuplicate)
	is, err := store.ReturnShare(ctx, a, true, now)
	moved("a comes back", true, is, err)
	is, err = store.ReturnShare(ctx, a, true, now)
	moved("a comes back again", false, is, err)
	is, err = store.BuyShare(ctx, b, now)
	moved("b is bought", true, is, err)
	is, err = store.ReturnShare(ctx, b, true, now)
	moved("b comes back although it is bought", false, is, err)
	c := reserve(share("c", 5), nil)
	reserve(share("c", 1), service.ErrDuplicate)
	held, err := store.HeldShares(ctx, now, 10) // what a job finds of a process that died
	if err != nil || len(held) != 1 || held[0].RequestID != c.RequestID {
		t.Fatalf("held: %+v, %v", held, err)
	}
	is, err = store.ReturnShare(ctx, held[0], true, now)
	moved("c comes back", true, is, err)

	want := map[string]shareLine{
		"a": {Table: "call", Kind: "bid", Key: "a", State: "RETURNED", N: 6, TakenSeq: 1, ReturnedSeq: 3},
		"b": {Table: "call", Kind: "bid", Key: "b", State: "BOUGHT", N: 4, TakenSeq: 2},
		"c": {Table: "call", Kind: "bid", Key: "c", State: "RETURNED", N: 5, ReturnedSeq: 5}, // its process died with the other
	}
	got := shareLines(t, store)
	for key, line := range want {
		if got[key] != line {
			t.Errorf("%s: %+v, wanted %+v", key, got[key], line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d shares, wanted %d", len(got), len(want))
	}
	if bid, err := store.Bid(ctx, "b"); err != nil || bid.Remaining != 6 || bid.State != service.BidOpen {
		t.Errorf("the bid: %+v, %v", bid, err)
	}
}

func TestEachTakeAndReturnHasANumberOfItsOwn(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	share := sale(t, store, 1000)
	const buyers, times = 6, 10
	var wait sync.WaitGroup
	for i := range buyers {
		wait.Go(func() {
			for j := range times {
				s := share(fmt.Sprintf("r%d-%d", i, j), 1)
				seq, err := store.ReserveShare(t.Context(), s, false)
				if err != nil {
					t.Error(err)
					return
				}
				s.TakenSeq = seq
				if j%2 == 0 {
					_, err = store.ReturnShare(t.Context(), s, true, time.UnixMilli(1))
				} else {
					_, err = store.BuyShare(t.Context(), s, time.UnixMilli(1))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	var seqs []int64
	for key, l := range shareLines(t, store) {
		if seqs = append(seqs, l.TakenSeq); l.State == string(service.ShareReturned) {
			seqs = append(seqs, l.ReturnedSeq)
			if l.ReturnedSeq <= l.TakenSeq {
				t.Errorf("%s came back before it was taken: %+v", key, l)
			}
		}
	}
	slices.Sort(seqs)
	for i, seq := range seqs {
		if seq != int64(i+1) {
			t.Fatalf("the numbers are %v", seqs)
		}
	}
	if want := buyers * times * 3 / 2; len(seqs) != want {
		t.Errorf("%d numbers, wanted %d", len(seqs), want)
	}
}
