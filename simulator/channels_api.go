package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/simulator/lrhmac"
)

// routes is the merchant interface of both channels. A request does what it does on arrival and is answered after the
// plan's delay for its order: a client that gives up meanwhile does not know what happened, as in life, and a notify can
// overtake the answer that made the order payable.
func (cs *channels) routes() http.Handler {
	both := http.NewServeMux()
	for _, c := range []*channel{cs.wechat, cs.alipay} {
		mux := http.NewServeMux()
		both.Handle("/"+c.name+"/", c.st.unlucky(c.name, mux))
		base := "/" + c.name + "/v3/"
		mux.HandleFunc("POST "+base+"pay/transactions/native", c.handler(c.servePrepay))
		mux.HandleFunc("GET "+base+"pay/transactions/out-trade-no/{no}", c.handler(c.serveQuery))
		mux.HandleFunc("POST "+base+"pay/transactions/out-trade-no/{no}/close", c.handler(c.serveClose))
		mux.HandleFunc("POST "+base+"refund/domestic/refunds", c.handler(c.serveRefund))
	}
	return both
}

// A reply is an answer and how long the channel takes over it.
type reply struct {
	status int
	body   any // nil: none
	after  time.Duration
	fate   Fate
}

// fate begins the reply to a call about a planned order: its fate, and the refusal if that says no before anything is done.
func (c *channel) fate(kind string, p *PlanOrder, of func(*PlanOrder) time.Duration) (reply, error) {
	out := reply{status: http.StatusOK, after: took(p, of), fate: c.owner.teller.next(c.name, kind, p)}
	if up := settings(&c.st.scenario.Upstream, kind); out.fate == Refused && up.Status < 500 {
		return out, &billError{up.Status, up.Code, "the scenario wants this error"}
	}
	return out, nil
}

// tell is the reply's answer as the fate wants it: after a 5xx the call has been carried out all the same.
func (c *channel) tell(kind string, out reply, err error) (reply, error) {
	if up := settings(&c.st.scenario.Upstream, kind); out.fate == Refused && err == nil {
		return out, &billError{up.Status, up.Code, "the scenario wants this error"}
	}
	return out, err
}

// handler reads a request, checks its signature, and holds the answer back.
func (c *channel) handler(serve func(r *http.Request, body []byte) (reply, error)) http.HandlerFunc {
	key := func(name string) ([]byte, bool) { return c.key, name == lrhmac.Merchant }
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
		if err != nil {
			status := http.StatusBadRequest
			if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
				status = http.StatusRequestEntityTooLarge
			}
			refuse(w, status, "PARAM_ERROR", "body: "+err.Error())
			return
		}
		if _, err := lrhmac.Verify(r.Header.Get("Authorization"), key, r.Method, r.RequestURI, body, time.Now()); err != nil {
			refuse(w, http.StatusUnauthorized, "SIGN_ERROR", err.Error())
			return
		}
		out, err := serve(r, body)
		if out.fate == Hung {
			c.owner.server.hang(r)
			return
		}
		if !c.owner.server.pause(r, out.after) {
			return
		}
		switch {
		case err != nil:
			no := asBillError(err)
			refuse(w, no.status, no.code, no.message)
		case out.body == nil:
			w.WriteHeader(out.status)
		default:
			answer(w, out.status, out.body)
		}
	}
}

// took is a plan's answer time; an order that is not in the plan is answered at once.
func took(p *PlanOrder, of func(*PlanOrder) time.Duration) time.Duration {
	if p == nil {
		return 0
	}
	return of(p)
}

func createTime(p *PlanOrder) time.Duration { return p.Create }
func queryTime(p *PlanOrder) time.Duration  { return p.Query }
func refundTime(p *PlanOrder) time.Duration { return p.Refund }

func (c *channel) servePrepay(_ *http.Request, body []byte) (reply, error) {
	var in struct {
		OutTradeNo   string `json:"out_trade_no"`
		Attach       string `json:"attach"`
		TimeExpireMS int64  `json:"time_expire_ms"`
		Amount       struct {
			Total int64 `json:"total"`
		} `json:"amount"`
	}
	if err := parse(body, &in); err != nil {
		return reply{}, err
	}
	out, err := c.fate(callCreate, c.st.orders.planned(in.Attach), createTime)
	if err != nil {
		return out, err
	}
	b, err := c.prepay(in.OutTradeNo, in.Attach, in.Amount.Total, in.TimeExpireMS)
	if err != nil {
		return out, err
	}
	out.body = map[string]string{"code_url": b.codeURL}
	return c.tell(callCreate, out, nil)
}

func (c *channel) serveQuery(r *http.Request, _ []byte) (reply, error) {
	type amount struct {
		Total      int64 `json:"total"`
		PayerTotal int64 `json:"payer_total"`
	}
	reply, err := c.fate(callQuery, c.st.orders.order(r.PathValue("no")), queryTime)
	if err != nil {
		return reply, err
	}
	b, err := c.query(r.PathValue("no"))
	if err != nil {
		return reply, err
	}
	out := struct {
		OutTradeNo    string `json:"out_trade_no"`
		TradeState    string `json:"trade_state"`
		TransactionID string `json:"transaction_id,omitempty"`
		Amount        amount `json:"amount"`
		SuccessMS     int64  `json:"success_ms,omitempty"`
	}{OutTradeNo: b.order, TradeState: b.state(), Amount: amount{Total: b.fen}}
	if b.paid {
		out.TransactionID, out.Amount.PayerTotal = b.txn, b.fen
		out.SuccessMS = c.st.wall(b.paidAt).UnixMilli()
	}
	reply.body = out
	return c.tell(callQuery, reply, nil)
}

func (c *channel) serveClose(r *http.Request, _ []byte) (reply, error) {
	out, err := c.fate(callClose, c.st.orders.order(r.PathValue("no")), queryTime)
	if err != nil {
		return out, err
	}
	out.status = http.StatusNoContent
	err = c.shut(r.PathValue("no"))
	return c.tell(callClose, out, err)
}

func (c *channel) serveRefund(_ *http.Request, body []byte) (reply, error) {
	var in struct {
		OutTradeNo    string `json:"out_trade_no"`
		TransactionID string `json:"transaction_id"`
		OutRefundNo   string `json:"out_refund_no"`
		Amount        struct {
			Refund int64 `json:"refund"`
			Total  int64 `json:"total"`
		} `json:"amount"`
	}
	if err := parse(body, &in); err != nil {
		return reply{}, err
	}
	out, err := c.fate(callRefund, c.st.orders.order(in.OutTradeNo), refundTime)
	if err != nil {
		return out, err
	}
	done, err := c.repay(in.OutTradeNo, in.TransactionID, in.OutRefundNo, in.Amount.Refund, in.Amount.Total)
	out.body = map[string]string{"refund_id": done.id, "out_refund_no": in.OutRefundNo, "status": "SUCCESS"}
	return c.tell(callRefund, out, err)
}

func parse(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &billError{400, "PARAM_ERROR", "body is not the JSON that it should be"}
	}
	return nil
}
