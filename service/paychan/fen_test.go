package paychan_test

import (
	"fmt"
	"math/big"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/service/paychan"
)

func TestFen(t *testing.T) {
	tests := []struct {
		yuan string
		want int64 // -1: refused
	}{
		{"0.00", 0},
		{"0.01", 1},
		{"0.10", 10},
		{"1.00", 100},
		{"12.34", 1234},
		{"100000000.00", 100_000_000_00},
		{"100000000.01", -1},
		{"999999999.99", -1},
		{"1000000000.00", -1},
		{"", -1},
		{".01", -1},
		{"1", -1},
		{"1.", -1},
		{"1.0", -1},
		{"1.000", -1},
		{"01.00", -1},
		{"00.00", -1},
		{"-1.00", -1},
		{"+1.00", -1},
		{" 1.00", -1},
		{"1.00 ", -1},
		{"1,00", -1},
		{"1e2.00", -1},
		{"1_0.00", -1},
		{"0x1.00", -1},
		{"1.-1", -1},
		{"1.+1", -1},
		{"-.01", -1},
		{"１.00", -1},
	}
	for _, tt := range tests {
		got, err := paychan.Fen(tt.yuan)
		if (err != nil) != (tt.want < 0) || (err == nil && got != tt.want) {
			t.Errorf("%q: got %d, %v; want %d", tt.yuan, got, err, tt.want)
		}
	}
}

func TestFenReadsWhatAChannelWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fen := rapid.Int64Range(0, 100_000_000_00).Draw(t, "fen")
		got, err := paychan.Fen(fmt.Sprintf("%d.%02d", fen/100, fen%100))
		if err != nil || got != fen {
			t.Fatalf("%d fen read as %d, %v", fen, got, err)
		}
	})
}

func FuzzFen(f *testing.F) {
	for _, s := range []string{"0.01", "12.34", "100000000.00", "+1.00", "1_0.00", "01.00", "9.9", ""} {
		f.Add(s)
	}
	shape := regexp.MustCompile(`^(0|[1-9][0-9]{0,8})\.[0-9]{2}$`)
	limit := big.NewRat(100_000_000, 1)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := paychan.Fen(s)
		want, ok := new(big.Rat).SetString(s)
		if ok = ok && shape.MatchString(s) && want.Cmp(limit) <= 0; ok != (err == nil) {
			t.Fatalf("%q: %v, want taken: %t", s, err, ok)
		}
		if ok && want.Cmp(big.NewRat(got, 100)) != 0 {
			t.Fatalf("%q read as %d fen", s, got)
		}
	})
}
