package paychan_test

import (
	"testing"
	"time"
)

// One signature's check and the decryption are what a gate pays for each notification.
func BenchmarkVerify(b *testing.B) {
	for _, c := range channels() {
		b.Run(c.Channel(), func(b *testing.B) {
			now := time.Now()
			h, body, err := c.Sign(payment, notifyID, now, now)
			if err != nil {
				b.Fatal(err)
			}
			r := request(h, body)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Verify(r, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
