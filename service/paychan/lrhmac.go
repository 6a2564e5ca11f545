package paychan

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// authorization signs one of our calls by the scheme of docs/PROTOCOL.md, as "merchant".
func authorization(key []byte, method, uri string, body []byte, now time.Time) string {
	content := sha256.Sum256(body)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%d\n%s\n%s\n%x", now.UnixMilli(), method, uri, content)
	return fmt.Sprintf("LR-HMAC merchant:%d:%s", now.UnixMilli(), hex.EncodeToString(mac.Sum(nil)))
}
