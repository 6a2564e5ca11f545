package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// API holds what the listeners serve. Front, Bids, Uploads, Gate, Notifier and Desk are nil when this process does not have the role; their
// routes are absent then.
type API struct {
	Front        *service.Front
	FrontPool    *service.Pool
	LookupPool   *service.Pool // of what identity asks; may be FrontPool
	CallbackPool *service.Pool // of what the gates hand over; may be FrontPool
	Bids         *service.Bids
	BidPool      *service.Pool
	Uploads      *service.Ingest
	Gate         *service.Gate
	GatePools    map[service.Channel]*service.Pool // of the notifications; the same for all, or each its own
	Verifiers    map[service.Channel]service.Verifier
	Shop         *service.Catalog
	Notifier     *service.Notifier // holds polls
	Desk         *service.Notifier // takes results and heartbeats; front has one too

	Store   service.Store
	Metrics *service.Metrics
	Log     *slog.Logger
	Now     func() time.Time
	TTL     time.Duration // of commands, told to the machine
	// Ready tells why the process should get no traffic; Degraded what it does without.
	Ready, Degraded func(r *http.Request) []string
	// Unchecked lets readiness always be: as was, nobody looked (ready none).
	Unchecked bool
	// Announced is what the process has told the registry of itself.
	Announced func() service.Announcement

	Unattended bool // front.deadline none: front works on requests whose clients have gone

	draining atomic.Bool
	ended    atomic.Bool   // Drain was called
	ending   chan struct{} // closed by Drain
}

type api struct {
	*API
	keys *keyring
}

// Withdraw fails readiness; everything is served on.
func (a *API) Withdraw() { a.draining.Store(true) }

// Drain fails readiness and answers the polls.
func (a *API) Drain() {
	a.Withdraw()
	if !a.ended.Swap(true) {
		close(a.ending)
	}
	if a.Notifier != nil {
		a.Notifier.End()
	}
}

// Handlers are the two listeners'.
func (a *API) Handlers() (public, internal http.Handler) {
	a.ending = make(chan struct{})
	s := &api{API: a, keys: newKeyring(a.Store, a.Now)}
	return s.public(), s.internal()
}

func (a *api) public() http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.publicRoutes() {
		mux.HandleFunc(r.pattern, r.serve)
	}
	return watched(dated(mux, a.Now), a.Metrics, a.Log)
}

type route struct {
	pattern string
	serve   http.HandlerFunc
}

// publicRoutes are those of the roles that this process has.
func (a *api) publicRoutes() (list []route) {
	if a.Front != nil {
		list = append(list,
			route{"POST /v1/orders", a.createOrder},
			route{"POST /v1/orders/{order_id}/pay", a.payOrder},
			route{"GET /v1/orders/{order_id}", a.readOrder},
			route{"GET /v1/machines/{id}/slots/{slot}", a.readSlot})
	}
	if a.Bids != nil {
		list = append(list, route{"POST /v1/bids/{id}/shares", a.buyShare}, route{"GET /v1/bids/{id}", a.readBid})
	}
	if a.Uploads != nil {
		list = append(list, route{"POST /v1/uploads", a.takeUpload}, route{"GET /v1/uploads/{caller}/{batch_id}", a.readUpload})
	}
	if a.Gate != nil {
		for _, channel := range []service.Channel{service.WeChat, service.Alipay} {
			if v := a.Verifiers[channel]; v != nil {
				list = append(list, route{"POST /notify/" + string(channel), a.notify(channel, v)})
			}
		}
	}
	if a.Notifier != nil {
		list = append(list, route{"GET /v1/machines/{id}/commands", a.pollCommands})
	}
	if a.Desk != nil {
		list = append(list,
			route{"POST /v1/machines/{id}/results", a.machineResult},
			route{"POST /v1/machines/{id}/heartbeats", a.heartbeat})
	}
	return list
}

type orderAnswer struct {
	OrderID   string        `json:"order_id"`
	AmountFen int64         `json:"amount_fen"`
	State     service.State `json:"state"`
	PayURL    string        `json:"pay_url"`
	ExpiresMS int64         `json:"expires_ms"`
}

func (a *api) createOrder(w http.ResponseWriter, r *http.Request) {
	var q service.OrderRequest
	err := readJSON(w, r, &q)
	if err == nil && (!isID(q.RequestID) || !isID(q.MachineID) || (q.BuyerID != "" && !isID(q.BuyerID)) || q.Slot < 0) {
		err = &badRequest{http.StatusBadRequest, "request_id and machine_id are required; ids are 1 to 64 of A-Z a-z 0-9 . _ : @ -"}
	}
	var o service.Order
	var fresh bool
	if err == nil {
		err = a.work(r, func(ctx context.Context) (err error) {
			o, fresh, err = a.Front.CreateOrder(ctx, q)
			return err
		})
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	status := http.StatusOK
	if fresh {
		status = http.StatusCreated
	}
	writeJSON(w, status, orderAnswer{o.ID, o.Fen, o.State, o.PayURL, o.ExpiresMS})
}

// work runs on one of front's workers, which new work is the first to be refused by.
func (a *api) work(r *http.Request, do func(ctx context.Context) error) error {
	waiting, working, done := a.tied(r)
	defer done()
	err := a.FrontPool.Do(waiting, service.NewWork, func() error { return do(working) })
	if errors.Is(err, service.ErrOverloaded) {
		a.Metrics.Shed.WithLabelValues("new").Inc()
	}
	return err
}

func (a *api) payOrder(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Channel service.Channel `json:"channel"`
	}
	err := readJSON(w, r, &q)
	id := r.PathValue("order_id")
	if err == nil && !isID(id) {
		err = service.ErrUnknownOrder
	}
	var o service.Order
	if err == nil {
		err = a.work(r, func(ctx context.Context) (err error) {
			o, err = a.Front.Pay(ctx, id, q.Channel)
			return err
		})
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, orderAnswer{o.ID, o.Fen, o.State, o.PayURL, o.ExpiresMS})
}

func (a *api) readOrder(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("order_id")
	if !isID(id) { // what is no id does not reach the database
		a.fail(w, r, service.ErrUnknownOrder)
		return
	}
	var o service.Order
	err := a.work(r, func(ctx context.Context) (err error) {
		o, err = a.Front.Order(ctx, id)
		return err
	})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		OrderID   string        `json:"order_id"`
		RequestID string        `json:"request_id"`
		State     service.State `json:"state"`
		AmountFen int64         `json:"amount_fen"`
	}{o.ID, o.RequestID, o.State, o.Fen})
}

// readSlot tells a buyer who only looks what a slot's goods cost.
func (a *api) readSlot(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	slot, err := strconv.Atoi(r.PathValue("slot"))
	switch {
	case !isID(id): // what is no id does not reach the cache
		err = service.ErrUnknownMachine
	case err != nil || slot < 0:
		err = service.ErrUnknownSlot
	}
	var fen int64
	if err == nil {
		err = a.work(r, func(ctx context.Context) (err error) {
			fen, err = a.Front.Price(ctx, id, slot)
			return err
		})
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, slotAnswer{id, slot, fen})
}

type slotAnswer struct {
	MachineID string `json:"machine_id"`
	Slot      int    `json:"slot"`
	PriceFen  int64  `json:"price_fen"`
}

// notify serves one channel's notifications. Each channel is answered in its own words.
func (a *api) notify(channel service.Channel, v service.Verifier) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(w, r, maxBody)
		if err != nil {
			f := failureOf(err)
			a.Gate.Refuse(channel, "", &service.Refusal{Reason: service.ReasonMalformed, Status: f.status, Detail: f.Message})
			answerChannel(w, channel, f.status, f.Message)
			return
		}
		var p service.Payment
		waiting, working, done := a.attended(r)
		defer done()
		err = a.GatePools[channel].Do(waiting, service.PaidWork, func() (err error) {
			if p, err = v.Verify(r, body); err != nil {
				return err
			}
			return a.Gate.Take(working, p)
		})
		var refusal *service.Refusal
		switch {
		case err == nil:
			answerChannel(w, channel, http.StatusOK, "")
		case errors.As(err, &refusal):
			a.Gate.Refuse(channel, p.OrderID, refusal)
			answerChannel(w, channel, refusal.Status, refusal.Reason)
		case errors.Is(err, service.ErrOverloaded):
			a.Metrics.Shed.WithLabelValues("notify").Inc()
			w.Header().Set("Retry-After", "1")
			answerChannel(w, channel, http.StatusServiceUnavailable, "overloaded")
		default:
			a.Log.Warn("notification not stored", "channel", channel, "order", p.OrderID, "error", err)
			answerChannel(w, channel, http.StatusServiceUnavailable, "try again")
		}
	}
}

// answerChannel takes (2xx) or refuses a notification. WeChat reads the status, Alipay the body.
func answerChannel(w http.ResponseWriter, channel service.Channel, status int, message string) {
	taken := status < 300
	if channel == service.Alipay {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		text := "fail"
		if taken {
			text = "success"
		}
		_, _ = w.Write([]byte(text))
		return
	}
	if taken {
		w.WriteHeader(http.StatusOK)
		return
	}
	writeJSON(w, status, failure{Code: "FAIL", Message: message})
}

// The poll's bounds.
const (
	defaultPoll = 25 * time.Second
	maxPoll     = 60 * time.Second
)

func (a *api) pollCommands(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if err := a.keys.authenticate(r, id, nil); err != nil {
		a.fail(w, r, err)
		return
	}
	wait, last, err := pollQuery(r.URL)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.Metrics.Polls.Inc()
	c, waited, found, err := a.Notifier.Poll(r.Context(), id, last, wait)
	a.Metrics.Polls.Dec()
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if !found {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		CommandID string `json:"command_id"`
		OrderID   string `json:"order_id"`
		Kind      string `json:"kind"`
		Slot      int    `json:"slot"`
		TTLMS     int64  `json:"ttl_ms"`
		WaitedMS  int64  `json:"waited_ms"`
	}{c.ID, c.OrderID, c.Kind, c.Slot, a.TTL.Milliseconds(), waited.Milliseconds()})
}

func pollQuery(u *url.URL) (wait time.Duration, last string, err error) {
	q := u.Query()
	wait = defaultPoll
	if text := q.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil {
			seconds, err := strconv.Atoi(text)
			if err != nil {
				return 0, "", &badRequest{http.StatusBadRequest, "wait is no duration"}
			}
			wait = time.Duration(seconds) * time.Second
		}
	}
	return min(max(wait, 0), maxPoll), q.Get("last"), nil
}

// fromMachine reads a machine's signed JSON into v.
func (a *api) fromMachine(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return err
	}
	if err := a.keys.authenticate(r, r.PathValue("id"), body); err != nil {
		return err
	}
	return decode(body, v)
}

func (a *api) machineResult(w http.ResponseWriter, r *http.Request) {
	var q service.MachineResult
	err := a.fromMachine(w, r, &q)
	var state service.State
	if err == nil {
		state, err = a.Desk.Result(r.Context(), r.PathValue("id"), q)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]service.State{"state": state})
}

func (a *api) heartbeat(w http.ResponseWriter, r *http.Request) {
	var b service.Heartbeat
	err := a.fromMachine(w, r, &b)
	if err == nil {
		err = a.Desk.Beat(r.Context(), r.PathValue("id"), b)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
}

// isID reports whether text may be an id: short, and of characters that need no care anywhere.
func isID(text string) bool {
	if text == "" || len(text) > 64 {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '_', c == ':', c == '@', c == '-':
		default:
			return false
		}
	}
	return true
}
