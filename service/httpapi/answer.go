package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// maxBody bounds a request's body, save where the protocol allows more.
const maxBody = 64 << 10

// A failure is an error answer: {"code","message"}.
type failure struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

// failureOf is the answer that the protocol has for an error.
func failureOf(err error) failure {
	for _, known := range []struct {
		err    error
		status int
		code   string
	}{
		{service.ErrUnknownMachine, http.StatusNotFound, "UNKNOWN_MACHINE"},
		{service.ErrUnknownSlot, http.StatusNotFound, "UNKNOWN_SLOT"},
		{service.ErrUnknownOrder, http.StatusNotFound, "UNKNOWN_ORDER"},
		{service.ErrUnknownBuyer, http.StatusNotFound, "UNKNOWN_BUYER"},
		{service.ErrUnknownCommand, http.StatusNotFound, "UNKNOWN_COMMAND"},
		{service.ErrSoldOut, http.StatusConflict, "SOLD_OUT"},
		{service.ErrPriceMoved, http.StatusServiceUnavailable, "PRICE_MOVED"},
		{service.ErrNotPayable, http.StatusConflict, "NOT_PAYABLE"},
		{service.ErrUnknownBid, http.StatusNotFound, "UNKNOWN_BID"},
		{service.ErrBidClosed, http.StatusConflict, "CLOSED"},
		{service.ErrShareReturned, http.StatusConflict, "RETURNED"},
		{service.ErrBidBusy, http.StatusServiceUnavailable, "BUSY"},
		{service.ErrOverloaded, http.StatusServiceUnavailable, "OVERLOADED"},
		{service.ErrChannelFailed, http.StatusBadGateway, "CHANNEL_FAILED"},
		{service.ErrNoSuchChannel, http.StatusBadRequest, "UNKNOWN_CHANNEL"},
		{service.ErrBacklogged, http.StatusTooManyRequests, "BACKLOG"},
		{service.ErrUnknownBatch, http.StatusNotFound, "UNKNOWN_BATCH"},
		{service.ErrNoSuchOutcome, http.StatusBadRequest, "UNKNOWN_OUTCOME"},
	} {
		if errors.Is(err, known.err) {
			return failure{known.status, known.code, known.err.Error()}
		}
	}
	var unfit *service.Unfit
	if errors.As(err, &unfit) {
		return failure{http.StatusPaymentRequired, unfit.Code, unfit.Why}
	}
	var bad *badRequest
	if errors.As(err, &bad) {
		return failure{bad.status, "BAD_REQUEST", bad.Error()}
	}
	if errors.Is(err, context.Canceled) {
		return failure{499, "CLIENT_GONE", "the client went away"}
	}
	// What failed inside is logged, not told.
	return failure{http.StatusServiceUnavailable, "UNAVAILABLE", "try again"}
}

// A badRequest is a request that can not be read.
type badRequest struct {
	status int
	what   string
}

func (b *badRequest) Error() string { return b.what }

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone when this fails
}

func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	if f.status == http.StatusServiceUnavailable || f.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	if f.Code == "UNAVAILABLE" {
		a.Log.Warn("request", "route", r.Pattern, "error", err)
	}
	writeJSON(w, f.status, f)
}

// readJSON reads a bounded body of one JSON object into v.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return err
	}
	return decode(body, v)
}

func decode(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return &badRequest{http.StatusBadRequest, "body is not the JSON that this request takes"}
	}
	return nil
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return body, nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, &badRequest{http.StatusRequestEntityTooLarge, "body larger than " + strconv.FormatInt(limit, 10) + " bytes"}
	}
	return nil, &badRequest{http.StatusBadRequest, "body can not be read"}
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// dated says when an answer was made by the service's clock, which is its host's; net/http would look at the machine's.
func dated(mux http.Handler, now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
		mux.ServeHTTP(w, r)
	})
}

// watched measures requests and survives panics.
func watched(mux http.Handler, m *service.Metrics, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		sw := &statusWriter{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared as net/http does
					panic(v)
				}
				log.Error("panic", "route", r.Pattern, "panic", v, "stack", string(debug.Stack()))
				if sw.status == 0 {
					writeJSON(sw, http.StatusInternalServerError, failure{Code: "INTERNAL", Message: "internal error"})
				}
			}
			route := r.Pattern // set by the mux: one of few
			if route == "" {
				route = "none"
			}
			m.Requests.WithLabelValues(route, strconv.Itoa(sw.status)).Observe(time.Since(began).Seconds())
		}()
		mux.ServeHTTP(sw, r)
	})
}
