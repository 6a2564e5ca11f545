package simulator

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/smartwalle/alipay/v3"
	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

// What the service is told is all that the channels' own SDKs need to take every notify, in both key modes.
func TestSettingsVerifyEveryNotify(t *testing.T) {
	const orders = 24
	var plan []PlanOrder
	for i := range orders {
		plan = append(plan, PlanOrder{Key: fmt.Sprintf("o%06d", i), Again: -1})
	}
	r, cs, _ := openShop(t, planOf(plan...))
	var s ServiceSettings
	cs.settle(&s)
	if key, err := hex.DecodeString(s.WeChatAPIKey); err != nil || string(key) != string(cs.wechat.key) {
		t.Errorf("WeChatAPIKey is not the hex of the key: %v", err)
	}
	if key, err := hex.DecodeString(s.AlipayAPIKey); err != nil || string(key) != string(cs.alipay.key) {
		t.Errorf("AlipayAPIKey is not the hex of the key: %v", err)
	}
	for _, o := range plan {
		for _, c := range []*channel{cs.wechat, cs.alipay} {
			if _, err := c.prepay("A-"+o.Key, o.Key, 350, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := cs.pay("A-"+o.Key, c.name); err != nil {
				t.Fatal(err)
			}
		}
	}
	await(t, "all notifies are sent", func() bool { return len(r.sends(SendNotify)) == 2*orders })

	cert, err := utils.LoadCertificate(s.WeChatCertificate)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(s.WeChatPublicKey))
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	both := verifiers.NewSHA256WithRSACombinedVerifier(core.NewCertificateMapWithList([]*x509.Certificate{cert}), s.WeChatPublicKeyID, *pub.(*rsa.PublicKey))
	wechat, err := notify.NewRSANotifyHandler(s.WeChatV3Key, both)
	if err != nil {
		t.Fatal(err)
	}
	own, err := rsa.GenerateKey(rand.Reader, 2048) // the SDK wants one, and has no use for it here
	if err != nil {
		t.Fatal(err)
	}
	ali, err := alipay.New(s.AlipayAppID, base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(own)), false)
	if err == nil {
		err = ali.LoadAliPayPublicKey(s.AlipayPublicKey)
	}
	if err != nil {
		t.Fatal(err)
	}

	serials := map[string]int{}
	for _, send := range r.sends(SendNotify) {
		if strings.HasSuffix(send.URL, "/notify/wechat") {
			req, err := http.NewRequest(send.Method, send.URL, strings.NewReader(string(send.Body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = send.Header
			var paid payments.Transaction
			if _, err := wechat.ParseNotifyRequest(t.Context(), req, &paid); err != nil {
				t.Fatal(err)
			}
			serials[send.Header.Get("Wechatpay-Serial")]++
			if *paid.Amount.Total != 350 || *paid.Appid != s.WeChatAppID || *paid.Mchid != s.WeChatMchID ||
				*paid.Payer.Openid != openid(*paid.Attach) || *paid.OutTradeNo != "A-"+*paid.Attach {
				t.Errorf("notify of %+v", paid)
			}
			continue
		}
		form, err := url.ParseQuery(string(send.Body))
		if err != nil {
			t.Fatal(err)
		}
		n, err := ali.DecodeNotification(t.Context(), form)
		if err != nil {
			t.Fatal(err)
		}
		if n.TotalAmount != "3.50" || n.AppId != s.AlipayAppID || n.SellerId != s.AlipaySellerID {
			t.Errorf("notify of %+v", n)
		}
	}
	if serials[s.WeChatSerial] == 0 || serials[s.WeChatPublicKeyID] == 0 || len(serials) != 2 {
		t.Errorf("signed by %v, want some by %s and some by %s", serials, s.WeChatSerial, s.WeChatPublicKeyID)
	}
}
