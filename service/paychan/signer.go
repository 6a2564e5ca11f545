package paychan

import (
	"errors"
	"net/url"

	"github.com/smartwalle/nsign"
)

// noSigner stands where the SDK wants our private key. This service asks Alipay nothing through the SDK, so there is
// none to guard.
type noSigner struct{}

var errNoSigner = errors.New("alipay: this client only checks")

func (noSigner) SignValues(url.Values, ...nsign.SignOption) ([]byte, error) { return nil, errNoSigner }

func (noSigner) SignBytes([]byte, ...nsign.SignOption) ([]byte, error) { return nil, errNoSigner }

func (noSigner) VerifyValues(url.Values, []byte, ...nsign.SignOption) error { return errNoSigner }

func (noSigner) VerifyBytes([]byte, []byte, ...nsign.SignOption) error { return errNoSigner }
