package httpapi

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lunchrush/lunchrush/service"
)

// maxMachines bounds the body of POST /internal/machines.
const maxMachines = 8 << 20

func (a *api) internal() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /internal/machines", a.putMachines)
	mux.HandleFunc("POST /internal/bids", a.putBid)
	mux.HandleFunc("POST /internal/voided", a.putVoided)
	mux.HandleFunc("GET /internal/book", a.book)
	mux.HandleFunc("GET /internal/backlog", a.backlog)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", a.ready)
	if a.Announced != nil {
		mux.HandleFunc("GET /internal/identity", a.identity)
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.Metrics.Registry, promhttp.HandlerOpts{}))
	if a.Front != nil {
		mux.HandleFunc("POST /internal/paycallback", a.payCallback)
		mux.HandleFunc("GET /internal/buyers/{channel}/{buyer}", a.buyer)
	}
	if a.Notifier != nil {
		mux.HandleFunc("POST /internal/push", a.push)
	}
	mux.HandleFunc("GET /internal/prices/{machine_id}/{slot}", a.price)
	mux.HandleFunc("POST /internal/prices/{machine_id}/{slot}", a.setPrice)
	return watched(dated(mux, a.Now), a.Metrics, a.Log)
}

func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	reasons := a.Ready(r)
	if a.draining.Load() {
		reasons = append(reasons, "draining")
	}
	if a.Unchecked {
		reasons = nil // as was: whoever listens is ready
	}
	if len(reasons) > 0 {
		writeJSON(w, http.StatusServiceUnavailable, map[string]any{"ready": false, "reasons": reasons})
		return
	}
	answer := map[string]any{"ready": true}
	if degraded := a.Degraded(r); len(degraded) > 0 {
		answer["degraded"] = degraded
	}
	writeJSON(w, http.StatusOK, answer)
}

func (a *api) putMachines(w http.ResponseWriter, r *http.Request) {
	var list []service.Machine
	body, err := readBody(w, r, maxMachines)
	if err == nil {
		err = decode(body, &list)
	}
	if err == nil {
		err = checkMachines(list)
	}
	if err == nil {
		err = a.Shop.PutMachines(r.Context(), list)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.keys.forget()
	w.WriteHeader(http.StatusNoContent)
}

func checkMachines(list []service.Machine) error {
	for i, m := range list {
		where := "machine " + strconv.Itoa(i+1) + ": "
		if !isID(m.ID) {
			return &badRequest{http.StatusBadRequest, where + "machine_id is not 1 to 64 of A-Z a-z 0-9 . _ : @ -"}
		}
		if key, err := hex.DecodeString(m.KeyHex); err != nil || len(key) < 16 || len(key) > 64 {
			return &badRequest{http.StatusBadRequest, where + "key_hex is not 16 to 64 bytes in hex"}
		}
		for _, s := range m.Slots {
			if s.Slot < 0 || s.PriceFen <= 0 || s.Stock < 0 {
				return &badRequest{http.StatusBadRequest, where + "slot " + strconv.Itoa(s.Slot) + ": price_fen must be above 0, slot and stock not below"}
			}
		}
	}
	return nil
}

func (a *api) payCallback(w http.ResponseWriter, r *http.Request) {
	var q struct {
		QueueID int64 `json:"queue_id"`
	}
	err := readJSON(w, r, &q)
	var result service.CallbackResult
	waiting, working, done := a.tied(r)
	defer done()
	if err == nil {
		if err = a.CallbackPool.Do(waiting, service.PaidWork, func() (err error) {
			result, err = a.Front.PayCallback(working, q.QueueID)
			return err
		}); errors.Is(err, service.ErrOverloaded) {
			a.Metrics.Shed.WithLabelValues("paid").Inc()
		}
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, result)
}

// buyer answers the identity service, which asks whether front knows a buyer.
func (a *api) buyer(w http.ResponseWriter, r *http.Request) {
	channel, id := service.Channel(r.PathValue("channel")), r.PathValue("buyer")
	var unionid string
	err := service.ErrUnknownBuyer
	if isID(id) {
		err = a.LookupPool.Do(r.Context(), service.NewWork, func() (err error) {
			unionid, err = a.Front.Buyer(r.Context(), channel, id)
			return err
		})
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"unionid": unionid})
}

func (a *api) push(w http.ResponseWriter, r *http.Request) {
	var q struct {
		MachineID string `json:"machine_id"`
		CommandID string `json:"command_id"`
	}
	if err := readJSON(w, r, &q); err != nil {
		a.fail(w, r, err)
		return
	}
	a.Notifier.WakeMachine(q.MachineID)
	w.WriteHeader(http.StatusNoContent)
}

func (a *api) price(w http.ResponseWriter, r *http.Request) {
	slot, err := strconv.Atoi(r.PathValue("slot"))
	if err != nil {
		err = service.ErrUnknownSlot
	}
	var fen int64
	if err == nil {
		fen, err = a.Shop.Price(r.Context(), r.PathValue("machine_id"), slot)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, priceAnswer{fen})
}

func (a *api) setPrice(w http.ResponseWriter, r *http.Request) {
	var q priceAnswer
	err := readJSON(w, r, &q)
	slot, bad := strconv.Atoi(r.PathValue("slot"))
	switch {
	case err != nil:
	case bad != nil:
		err = service.ErrUnknownSlot
	case q.PriceFen <= 0:
		err = &badRequest{http.StatusBadRequest, "price_fen must be above 0"}
	default:
		err = a.Shop.SetPrice(r.Context(), r.PathValue("machine_id"), slot, q.PriceFen)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

type priceAnswer struct {
	PriceFen int64 `json:"price_fen"`
}

// book streams NDJSON. A book that ends without its "end" line is not whole: that is how an error in its midst shows.
func (a *api) book(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(10 * time.Minute)) // a large book outlasts the server's bound
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(out)
	err := a.Store.Book(r.Context(), func(line any) error { return lines.Encode(line) })
	if err != nil {
		a.Log.Warn("book broken off", "error", err)
		panic(http.ErrAbortHandler) // the reader sees a broken connection, not a short book
	}
	_ = out.Flush()
}

func (a *api) backlog(w http.ResponseWriter, r *http.Request) {
	b, err := a.Store.Backlog(r.Context(), a.Now())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, b)
}
