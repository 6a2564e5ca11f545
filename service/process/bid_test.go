package process_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// lender is an account that nothing is wrong with.
func lender(id string) service.Account {
	return service.Account{BuyerID: id, Verified: true, Adult: true, Agreed: true, Balance: 1_000_000}
}

// lendingTown is a service with one bid and a risk check.
func lendingTown(t *testing.T, units int64, accounts []service.Account, risk http.HandlerFunc, switches ...string) *servicetest.Town {
	t.Helper()
	c, town := servicetest.NewConfig(t)
	server := httptest.NewServer(risk)
	t.Cleanup(server.Close)
	c.Risk.URL = server.URL
	for i := 0; i < len(switches); i += 2 {
		if err := c.Set(switches[i], switches[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	town.Run(process.Roles()...)
	status, body := town.Do("POST", town.Internal+"/internal/bids", map[string]any{
		"bid_id": "b1", "borrower_id": "borrower", "units": units, "accounts": accounts,
	})
	if status != 204 {
		t.Fatalf("bid: %d %s", status, body)
	}
	return town
}

func fit(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"fit":true}`)) }

// together answers when n ask at the same moment, or nobody more comes for a while.
func together(n int) http.HandlerFunc {
	all := make(chan struct{})
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if n--; n == 0 {
			close(all)
		}
		mu.Unlock()
		select {
		case <-all:
		case <-time.After(500 * time.Millisecond):
		}
		fit(w, r)
	}
}

// buy asks for a share and gives the answer's status, and its code when it is none of success.
func buy(town *servicetest.Town, request, buyer string, amount int64) (int, string) {
	status, body := town.Do("POST", town.Public+"/v1/bids/b1/shares", map[string]any{"request_id": request, "buyer_id": buyer, "amount": amount})
	var answer struct{ Code string }
	_ = json.Unmarshal([]byte(body), &answer) // a success has no code
	return status, answer.Code
}

// bought adds up the shares that were sold.
func bought(town *servicetest.Town) int {
	return town.Count(`SELECT COALESCE(SUM(amount), 0) FROM bid_shares WHERE state = 'BOUGHT'`)
}

// The documented failure full-bid-oversell: sixty read that a hundred units remain, and all of them buy.
func TestManyBuyTheLastUnits(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, stock string
		oversold    bool
	}{
		{"as was, more is sold than there is", service.ReadThenWrite, true},
		{"hardened, exactly what there is", service.StockCAS, false},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			const buyers = 60
			var accounts []service.Account
			for i := range buyers {
				accounts = append(accounts, lender(fmt.Sprint("u", i)))
			}
			town := lendingTown(t, 100, accounts, together(buyers), "stock", side.stock)
			var buying sync.WaitGroup
			for i := range buyers {
				buying.Go(func() {
					if status, code := buy(town, fmt.Sprint("r", i), fmt.Sprint("u", i), 5); status != 201 && status != 409 {
						t.Errorf("buyer %d: %d %s", i, status, code)
					}
				})
			}
			buying.Wait()
			if sold := bought(town); side.oversold && sold <= 100 || !side.oversold && sold != 100 {
				t.Errorf("%d of 100 units were sold", sold)
			}
		})
	}
}

// The documented failure full-bid-undersell: everything is reserved, some of the purchases fail, and their units come back
// to a bid that has closed.
func TestUnitsComeBackToAFullBid(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, stock string
		status      int
		code        string
		sold        int
	}{
		{"as was, to nobody's use", service.ReserveNoReopen, 409, "CLOSED", 80},
		{"hardened, and are sold", service.StockCAS, 201, "", 100},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			var accounts []service.Account
			for i := range 20 {
				a := lender(fmt.Sprint("u", i))
				if i < 4 {
					a.Balance = 0
				}
				accounts = append(accounts, a)
			}
			accounts = append(accounts, lender("late"))
			town := lendingTown(t, 100, accounts, together(20), "stock", side.stock, "bid.hold", "1s", "bid.return_every", "20ms")
			var buying sync.WaitGroup
			for i := range 20 {
				buying.Go(func() { buy(town, fmt.Sprint("r", i), fmt.Sprint("u", i), 5) })
			}
			buying.Wait()
			servicetest.Eventually(t, 5*time.Second, "the units came back", func() bool {
				return town.Count(`SELECT remaining FROM bids`) == 20
			})
			if status, code := buy(town, "late", "late", 20); status != side.status || code != side.code {
				t.Errorf("who comes then is answered %d %s", status, code)
			}
			if sold := bought(town); sold != side.sold {
				t.Errorf("%d of 100 units were sold", sold)
			}
			var shown struct {
				Sold  int
				State string
			}
			_, body := town.Do("GET", town.Public+"/v1/bids/b1", nil)
			if err := json.Unmarshal([]byte(body), &shown); err != nil || shown.Sold != side.sold || shown.State != "CLOSED" {
				t.Errorf("shown: %s", body)
			}
		})
	}
}

// The progress row under an optimistic lock: of those who read the same version one wins.
func TestTheProgressRowIsAHotSpot(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, progress string
		busy           bool
	}{
		{"as was, buyers are turned away while units remain", service.ProgressRow, true},
		{"hardened, there is no such row", service.ProgressDerived, false},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := lendingTown(t, 1000, []service.Account{lender("u")}, fit, "progress", side.progress)
			var mu sync.Mutex
			answers := make(map[int]int)
			var buying sync.WaitGroup
			for i := range 60 {
				buying.Go(func() {
					status, _ := buy(town, fmt.Sprint("r", i), "u", 1)
					mu.Lock()
					defer mu.Unlock()
					answers[status]++
				})
			}
			buying.Wait()
			if (answers[503] > 0) != side.busy || answers[201]+answers[503] != 60 {
				t.Errorf("answers: %v", answers)
			}
			if sold := bought(town); sold != answers[201] {
				t.Errorf("%d sold", sold)
			}
			var shown struct{ Sold int }
			_, body := town.Do("GET", town.Public+"/v1/bids/b1", nil)
			if err := json.Unmarshal([]byte(body), &shown); err != nil || shown.Sold != answers[201] {
				t.Errorf("the bar shows %s for %d who bought: who was turned away is not on it, and nothing is taken off it for him", body, answers[201])
			}
		})
	}
}

func TestEveryBranchThatFailsGivesTheUnitsBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, code string
		spoil      func(a *service.Account)
	}{
		{"frozen", "FROZEN", func(a *service.Account) { a.Frozen = true }},
		{"not verified", "UNVERIFIED", func(a *service.Account) { a.Verified = false }},
		{"a minor", "MINOR", func(a *service.Account) { a.Adult = false }},
		{"an old contract", "CONTRACT", func(a *service.Account) { a.Agreed = false }},
		{"the borrower", "BORROWER", func(a *service.Account) { a.BuyerID = "borrower" }},
		{"too little", "MINIMUM", func(a *service.Account) { a.Minimum = 11 }},
		{"too much", "LIMIT", func(a *service.Account) { a.Limit = 9 }},
		{"a risk", "RISK", func(a *service.Account) { a.BuyerID = "risky" }},
		{"no money", "BALANCE", func(a *service.Account) { a.Balance = 9 }},
		{"no account", "ACCOUNT", nil},
	}
	var accounts []service.Account
	for i, test := range tests {
		if test.spoil != nil {
			a := lender(fmt.Sprint("u", i))
			test.spoil(&a)
			accounts = append(accounts, a)
		}
	}
	town := lendingTown(t, 10, append(accounts, lender("good")), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("buyer_id") == "risky" {
			_, _ = w.Write([]byte(`{"fit":false}`))
			return
		}
		fit(w, r)
	})
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			buyer := fmt.Sprint("u", i)
			if test.spoil != nil {
				a := lender(buyer)
				test.spoil(&a)
				buyer = a.BuyerID
			}
			if status, code := buy(town, fmt.Sprint("r", i), buyer, 10); status != 402 || code != test.code {
				t.Errorf("answered %d %s, wanted 402 %s", status, code, test.code)
			}
			if n := town.Count(`SELECT remaining FROM bids WHERE state = 'OPEN'`); n != 10 {
				t.Errorf("%d units remain", n)
			}
		})
	}
	for range 2 {
		if status, _ := buy(town, "good", "good", 10); status != 201 && status != 200 {
			t.Errorf("who may buy is answered %d", status)
		}
	}
	if n := town.Count(`SELECT balance FROM bid_accounts WHERE buyer_id = 'good'`); n != 1_000_000-10 {
		t.Errorf("the same request twice left %d of the balance", n)
	}
	if status, code := buy(town, "r0", "good", 10); status != 409 || code != "RETURNED" {
		t.Errorf("a request whose share went back is answered %d %s", status, code)
	}
	if status, code := buy(town, "more", "good", 1); status != 409 || code != "SOLD_OUT" {
		t.Errorf("who comes too late is answered %d %s", status, code)
	}
	book := town.Book()
	if lines := book["call"]; len(lines) != 1+len(tests)+1 || lines[0]["state"] != "FULL" || lines[0]["n"] != 10.0 {
		t.Errorf("book: %v", lines)
	}
}
