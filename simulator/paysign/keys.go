package paysign

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// keyBits is the size of the channels' RSA keys; WeChat's signature type names it.
const keyBits = 2048

// WeChatMaterial is what a merchant is given by WeChat Pay: what a service needs to check notifications and to call.
type WeChatMaterial struct {
	AppID          string
	MchID          string
	APIKey         string // hex of 32 bytes: the LR-HMAC key of the service's own calls
	APIv3Key       string // 32 ASCII bytes, encrypts resources
	CertificatePEM string // the platform's certificate
	Serial         string // the certificate's, in upper hex, as in Wechatpay-Serial
	PublicKeyID    string // "PUB_KEY_ID_..."
	PublicKeyPEM   string // PKIX
}

// Platform gives what notifications are checked with, by the name that Wechatpay-Serial carries: PEM each.
func (m WeChatMaterial) Platform() map[string]string {
	return map[string]string{m.Serial: m.CertificatePEM, m.PublicKeyID: m.PublicKeyPEM}
}

// AlipayMaterial is what a merchant is given by Alipay.
type AlipayMaterial struct {
	AppID        string
	SellerID     string
	APIKey       string // hex of 32 bytes: the LR-HMAC key of the service's own calls
	PublicKey    string // base64 of PKIX without line breaks, as Alipay's console shows it
	PublicKeyPEM string // the same key
}

// Generate makes the keys of both channels at once, on as many cores as there are: about 0.3 s on two.
func Generate() (*WeChat, *Alipay, error) {
	var (
		g errgroup.Group
		w *WeChat
		a *Alipay
	)
	g.Go(func() (err error) { w, err = GenerateWeChat(); return err })
	g.Go(func() (err error) { a, err = GenerateAlipay(); return err })
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	return w, a, nil
}

// GenerateWeChat makes a platform: one RSA key with a self-signed certificate, a second one for public key mode, and
// the merchant's numbers and API key. Notifications are signed by the certificate's key until [WeChat.Rotate].
func GenerateWeChat() (*WeChat, error) {
	var (
		g             errgroup.Group
		byCert, byPub *rsa.PrivateKey
	)
	g.Go(func() (err error) { byCert, err = rsa.GenerateKey(rand.Reader, keyBits); return err })
	g.Go(func() (err error) { byPub, err = rsa.GenerateKey(rand.Reader, keyBits); return err })
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("making the WeChat keys: %w", err)
	}
	serial, der, err := certificate(byCert)
	if err != nil {
		return nil, fmt.Errorf("making the WeChat certificate: %w", err)
	}
	_, pub, err := publicKey(byPub)
	if err != nil {
		return nil, err
	}
	m := WeChatMaterial{
		AppID:          "wx" + text(lowerHex, 16),
		MchID:          "1" + text(digits, 9),
		APIKey:         text(lowerHex, 64),
		APIv3Key:       text(alphanumeric, 32),
		CertificatePEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Serial:         serial,
		PublicKeyID:    "PUB_KEY_ID_01" + text(digits, 26),
		PublicKeyPEM:   pub,
	}
	return newWeChat(m, byCert, byPub)
}

// GenerateAlipay makes Alipay's key and the merchant's numbers.
func GenerateAlipay() (*Alipay, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making the Alipay key: %w", err)
	}
	b64, text64, err := publicKey(key)
	if err != nil {
		return nil, err
	}
	return &Alipay{key: key, material: AlipayMaterial{
		AppID:        "2021" + text(digits, 12),
		SellerID:     "2088" + text(digits, 12),
		APIKey:       text(lowerHex, 64),
		PublicKey:    b64,
		PublicKeyPEM: text64,
	}}, nil
}

// certificate makes a self-signed certificate of key and gives its serial number as WeChat writes it.
func certificate(key *rsa.PrivateKey) (serial string, der []byte, err error) {
	var number [20]byte
	if _, err := rand.Read(number[:]); err != nil {
		return "", nil, err
	}
	// A serial number is positive and has no leading zero: WeChat's are 40 hex digits.
	number[0] = number[0]&0x3f | 0x40
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(number[:]),
		Subject:      pkix.Name{CommonName: "Tenpay.com sign", Organization: []string{"lunchrush"}},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(5 * 365 * 24 * time.Hour), // a platform certificate lasts five years
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err = x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	return strings.ToUpper(c.SerialNumber.Text(16)), der, err
}

// publicKey gives a key's public half, PKIX in base64 and in PEM.
func publicKey(key *rsa.PrivateKey) (b64, text string, err error) {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", fmt.Errorf("encoding a public key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(der), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

const (
	digits       = "0123456789"
	lowerHex     = digits + "abcdef"
	alphanumeric = digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// text is n random characters of an alphabet of at most 64.
func text(alphabet string, n int) string {
	out := make([]byte, n)
	var raw [32]byte
	for i := 0; i < n; {
		// crypto/rand.Read never returns an error.
		rand.Read(raw[:])
		for _, b := range raw {
			// Throwing away what is past the alphabet keeps every character equally likely.
			if c := int(b & 63); c < len(alphabet) && i < n {
				out[i] = alphabet[c]
				i++
			}
		}
	}
	return string(out)
}
