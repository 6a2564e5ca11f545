package paychan_test

import (
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/paychan"
	"github.com/lunchrush/lunchrush/simulator/paysign"
)

// A host whose clock is off refuses what is genuine: every payment waits for the query then.
func TestVerifyOnAHostWhoseClockIsWrongRefusesWhatIsGenuine(t *testing.T) {
	signsWeChat, signsAlipay, err := paysign.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		off  time.Duration
		want string
	}{{0, ""}, {4 * time.Minute, ""}, {6 * time.Minute, service.ReasonReplayed}, {-6 * time.Minute, service.ReasonReplayed}} {
		now := service.HostClock{Offset: tt.off}.Now
		m, a := signsWeChat.Material(), signsAlipay.Material()
		w, err := paychan.NewWeChat(paychan.WeChatConfig{
			AppID: m.AppID, MchID: m.MchID, APIv3Key: m.APIv3Key, Platform: m.Platform(), Now: now,
		})
		if err != nil {
			t.Fatal(err)
		}
		ali, err := paychan.NewAlipay(paychan.AlipayConfig{AppID: a.AppID, SellerID: a.SellerID, PublicKey: a.PublicKey, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []channel{{signsWeChat, w}, {signsAlipay, ali}} {
			t.Run(c.Channel()+" "+tt.off.String(), func(t *testing.T) {
				h, body, err := c.Sign(payment, notifyID, time.Now(), time.Now())
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.Verify(request(h, body), body)
				if tt.want != "" {
					wantRefusal(t, err, tt.want, 401)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
	}
}
