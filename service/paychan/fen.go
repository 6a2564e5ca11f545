package paychan

import (
	"errors"
	"strconv"
)

var errAmount = errors.New("an amount in yuan has two decimals, as 12.50")

// Fen reads an amount in yuan as Alipay writes it: digits, a point, two decimals; no sign, no leading zeros. At most
// 100,000,000.00, Alipay's limit for one trade. No floating point is involved.
func Fen(yuan string) (int64, error) {
	n := len(yuan)
	if n < 4 || n > 12 || yuan[n-3] != '.' || (yuan[0] == '0' && n != 4) {
		return 0, errAmount
	}
	fen, err := strconv.ParseUint(yuan[:n-3]+yuan[n-2:], 10, 63)
	if err != nil || fen > maxFen {
		return 0, errAmount
	}
	return int64(fen), nil
}
