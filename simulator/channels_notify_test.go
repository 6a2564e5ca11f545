package simulator

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// pays makes an order payable and pays it after a while.
func pays(t *testing.T, cs *channels, key, channel string, think time.Duration) {
	t.Helper()
	if _, err := cs.named(channel).prepay("order-"+key, key, 350, 0); err != nil {
		t.Fatal(err)
	}
	cs.presign("order-"+key, channel, cs.st.now()+think)
	time.Sleep(think)
	if fen, err := cs.pay("order-"+key, channel); err != nil || fen != 350 {
		t.Fatalf("paid %d fen, %v", fen, err)
	}
}

func TestNotifyClimbsTheWholeLadder(t *testing.T) {
	tests := []struct {
		name, channel string
		again         time.Duration
	}{
		{"wechat", wechatName, -1},
		{"alipay", alipayName, -1},
		{"a duplicate that fails too does not climb", wechatName, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := platformKeys(); err != nil { // outside of the bubble
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				const think, delay = 3 * time.Second, 300 * time.Millisecond
				r := newRig(t, planOf(PlanOrder{Key: "o1", Channel: tt.channel, Notify: delay, Again: tt.again}), nil)
				// Steps count from the send before, however long the service took to fail.
				r.service = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(2 * time.Second)
					w.WriteHeader(http.StatusServiceUnavailable)
				})
				cs := quietChannels(t, r)
				defer cs.Close()
				pays(t, cs, "o1", tt.channel, think)
				time.Sleep(72 * time.Hour)

				want := []time.Duration{think + delay}
				for _, step := range ladderOf("", tt.channel) {
					want = append(want, want[len(want)-1]+step)
				}
				if tt.again >= 0 {
					want = slices.Insert(want, 1, want[0]+tt.again)
				}
				var due, at []time.Duration
				for _, s := range r.sends(SendNotify) {
					due, at = append(due, s.Due), append(at, s.at)
				}
				if !slices.Equal(due, want) {
					t.Errorf("sends were due at\n%v, want\n%v", due, want)
				}
				if !slices.Equal(at, want) {
					t.Errorf("sends left at\n%v, want\n%v", at, want)
				}
				over := r.booked(runlog.NotifyGivenUp)
				if len(over) != 1 || over[0].N != len(want) {
					t.Errorf("given up: %+v, want once after %d sends", over, len(want))
				}
				for i, rec := range r.booked(runlog.NotifyIntent) {
					if rec.N != i+1 || rec.Due != int64(want[i]) {
						t.Errorf("send %d is booked as %+v", i+1, rec)
					}
				}
			})
		})
	}
}

func TestNotifyIsSignedForTheMomentItLeaves(t *testing.T) {
	if _, err := platformKeys(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, planOf(PlanOrder{Key: "o1", Notify: time.Second, Again: -1}), nil)
		r.service = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
		cs := quietChannels(t, r)
		defer cs.Close()
		pays(t, cs, "o1", wechatName, 10*time.Minute)
		time.Sleep(48 * time.Hour)

		sends := r.sends(SendNotify)
		for i, s := range sends {
			stamp, err := strconv.ParseInt(s.Header.Get("Wechatpay-Timestamp"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if off := r.wall(s.at).Sub(time.Unix(stamp, 0)); off < 0 || off > time.Second {
				t.Errorf("send %d carries a timestamp %v old", i+1, off)
			}
			if i > 0 {
				if s.Header.Get("Wechatpay-Nonce") == sends[i-1].Header.Get("Wechatpay-Nonce") {
					t.Errorf("send %d carries the nonce of the one before", i+1)
				}
				if !bytes.Equal(s.Body, sends[i-1].Body) {
					t.Errorf("send %d has another body: its id and time must stay", i+1)
				}
			}
		}
		if len(sends) != 16 {
			t.Errorf("%d sends", len(sends))
		}
	})
}

func TestNotifyStopsWhenItIsTaken(t *testing.T) {
	tests := []struct {
		name, channel string
		refuse        func(w http.ResponseWriter, r *http.Request) // how the sends before the last are answered
		taken         func(w http.ResponseWriter)
		sends         int
		again         time.Duration
		want          int
	}{
		{
			name: "wechat stops at once", channel: wechatName, sends: 1, again: -1, want: 1,
			taken: func(w http.ResponseWriter) { w.WriteHeader(200) },
		},
		{
			name: "wechat goes on over 500", channel: wechatName, sends: 4, again: -1, want: 4,
			refuse: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
			taken:  func(w http.ResponseWriter) { w.WriteHeader(204) },
		},
		{
			name: "wechat goes on over 201", channel: wechatName, sends: 3, again: -1, want: 3,
			refuse: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) },
			taken:  func(w http.ResponseWriter) { w.WriteHeader(200) },
		},
		{
			name: "a service slower than five seconds has not answered", channel: wechatName, sends: 3, again: -1, want: 3,
			refuse: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			taken:  func(w http.ResponseWriter) { w.WriteHeader(200) },
		},
		{
			name: "alipay goes on until the seven letters", channel: alipayName, sends: 5, again: -1, want: 5,
			refuse: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("success ")) },
			taken:  func(w http.ResponseWriter) { _, _ = w.Write([]byte("success")) },
		},
		{
			name: "a planned duplicate goes out although the first was taken", channel: wechatName, sends: 1, again: time.Second, want: 2,
			taken: func(w http.ResponseWriter) { w.WriteHeader(200) },
		},
		{
			name: "a duplicate that is taken ends the first one's ladder", channel: wechatName, sends: 2, again: time.Second, want: 2,
			refuse: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
			taken:  func(w http.ResponseWriter) { w.WriteHeader(200) },
		},
	}
	if _, err := platformKeys(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, planOf(PlanOrder{Key: "o1", Again: tt.again}), nil)
				var calls atomic.Int64
				r.service = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if int(calls.Add(1)) < tt.sends {
						tt.refuse(w, req)
						return
					}
					tt.taken(w)
				})
				cs := quietChannels(t, r)
				defer cs.Close()
				pays(t, cs, "o1", tt.channel, time.Second)
				time.Sleep(72 * time.Hour)
				if got := len(r.sends(SendNotify)); got != tt.want {
					t.Errorf("%d sends, want %d", got, tt.want)
				}
				if over := r.booked(runlog.NotifyGivenUp); len(over) > 0 {
					t.Errorf("given up: %+v", over)
				}
				answers := r.booked(runlog.NotifyAnswer)
				if len(answers) != tt.want || !slices.ContainsFunc(answers, func(rec runlog.Record) bool { return rec.OK }) {
					t.Errorf("answers booked: %+v", answers)
				}
			})
		})
	}
}

func TestDuplicateOfTheSameMoment(t *testing.T) {
	if _, err := platformKeys(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, planOf(PlanOrder{Key: "o1", Notify: 200 * time.Millisecond, Again: 0}), nil)
		cs := quietChannels(t, r)
		defer cs.Close()
		pays(t, cs, "o1", wechatName, time.Second)
		time.Sleep(time.Hour)
		sends := r.sends(SendNotify)
		if len(sends) != 2 || sends[0].Due != sends[1].Due || sends[0].Due != 1200*time.Millisecond {
			t.Fatalf("%d sends, want two at 1.2 s", len(sends))
		}
		if a, b := sends[0].Header.Get("Wechatpay-Nonce"), sends[1].Header.Get("Wechatpay-Nonce"); a == b {
			t.Error("both carry one nonce")
		}
		intents := r.booked(runlog.NotifyIntent)
		notes := []string{intents[0].Note, intents[1].Note}
		slices.Sort(notes)
		if intents[0].N == intents[1].N || intents[0].ID != intents[1].ID || !slices.Equal(notes, []string{"", "duplicate"}) {
			t.Errorf("booked as %+v", intents)
		}
	})
}

func TestNoStepIsSentAfterTheEnd(t *testing.T) {
	if _, err := platformKeys(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, planOf(PlanOrder{Key: "o1", Again: -1}), nil)
		r.service = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		cs := quietChannels(t, r)
		pays(t, cs, "o1", wechatName, time.Second)
		time.Sleep(20 * time.Second)
		if err := cs.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour)
		if got := len(r.sends(SendNotify)); got != 2 {
			t.Errorf("%d sends, want the two before the end", got)
		}
	})
}

// A payment that happens at another moment than it was signed for tells its own moment.
func TestPaymentFarFromItsPresignedMoment(t *testing.T) {
	if _, err := platformKeys(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, planOf(PlanOrder{Key: "o1", Notify: time.Second, Again: -1}), nil)
		cs := quietChannels(t, r)
		defer cs.Close()
		if _, err := cs.wechat.prepay("order-o1", "o1", 350, 0); err != nil {
			t.Fatal(err)
		}
		cs.presign("order-o1", wechatName, time.Second)
		time.Sleep(time.Minute)
		if _, err := cs.pay("order-o1", wechatName); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if s := r.sends(SendNotify); len(s) != 1 || s[0].Due != 61*time.Second {
			t.Errorf("sends: %+v, want one a second after the payment", s)
		}
	})
}
