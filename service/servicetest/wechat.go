package servicetest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/lunchrush/lunchrush/service"
)

// WeChat is access to a second channel whose merchant interface is at baseURL. Nobody holds the platform's key: no
// notification of it can be signed.
func WeChat(tb testing.TB, baseURL string) service.WeChatAccess {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	return service.WeChatAccess{
		BaseURL: baseURL, APIKey: apiKey, AppID: "wx1", MchID: "1900000001", V3Key: "0123456789abcdef0123456789abcdef",
		Platform: map[string]string{"PUB_KEY_ID_1": string(text)},
	}
}
