package httpapi

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// maxSkew is how far off a machine's clock may be.
const maxSkew = 5 * time.Minute

// keyTTL is how long a machine's key is remembered at most, and a refusal for its lack at most a second: a machine may just
// be on its way into the database, and a flood with made-up ids must not reach it each time.
//
// A signature that does not fit a key older than keyDoubt has the key read anew, so that a changed key is taken long before
// keyTTL is over, and forged signatures cost the database one read a minute and machine. Ten thousand machines that wait ask
// for 17 keys a second; with a keyTTL of a minute it was 167, a fifth of all they cost the service.
const (
	keyTTL   = 10 * time.Minute
	keyDoubt = time.Minute
	noKeyTTL = time.Second
)

// maxKeys and maxUnknown bound the memory of keys and of ids without one; beyond it all of that kind are forgotten and read
// anew. They are apart, so that a flood with made-up ids does not make the service forget the machines it has.
const (
	maxKeys    = 100_000
	maxUnknown = 10_000
)

// keyring remembers machines' keys.
type keyring struct {
	store service.Catalogue
	now   func() time.Time

	mu      sync.Mutex
	keys    map[string]keyEntry  // guarded by mu
	unknown map[string]time.Time // ids without a key, and until when that is believed; guarded by mu
}

func newKeyring(store service.Catalogue, now func() time.Time) *keyring {
	return &keyring{store: store, now: now, keys: make(map[string]keyEntry), unknown: make(map[string]time.Time)}
}

type keyEntry struct {
	key   []byte
	read  time.Time
	until time.Time
}

// find is a machine's key, nil when there is none.
func (k *keyring) find(ctx context.Context, machineID string) ([]byte, error) {
	now := k.now()
	k.mu.Lock()
	e, ok := k.keys[machineID]
	none := k.unknown[machineID]
	k.mu.Unlock()
	if ok && now.Before(e.until) {
		return e.key, nil
	}
	if now.Before(none) {
		return nil, nil
	}
	key, err := k.store.MachineKey(ctx, machineID)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case errors.Is(err, service.ErrNotFound):
		if len(k.unknown) >= maxUnknown {
			clear(k.unknown)
		}
		delete(k.keys, machineID)
		k.unknown[machineID] = now.Add(noKeyTTL)
		return nil, nil
	case err != nil:
		return nil, err
	}
	if len(k.keys) >= maxKeys {
		clear(k.keys)
	}
	delete(k.unknown, machineID)
	ttl := keyTTL - rand.N(keyTTL/2) // keys that were read together are not all read again together
	k.keys[machineID] = keyEntry{key, now, now.Add(ttl)}
	return key, nil
}

// doubt forgets a key that a signature did not fit. It reports false for one that was read a moment ago.
func (k *keyring) doubt(machineID string) bool {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if e, ok := k.keys[machineID]; ok && now.Sub(e.read) < keyDoubt {
		return false
	}
	delete(k.keys, machineID)
	return true
}

func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.keys)
	clear(k.unknown)
}

var errUnauthorized = &badRequest{http.StatusUnauthorized, "machine not authenticated"}

// authenticate checks LR-HMAC: that the request with this body was signed by the machine in its path.
func (k *keyring) authenticate(r *http.Request, machineID string, body []byte) error {
	credentials, ok := strings.CutPrefix(r.Header.Get("Authorization"), "LR-HMAC ")
	if !ok {
		return errUnauthorized
	}
	// From the right: an id may hold colons.
	rest, mac := cutLast(credentials)
	id, stamp := cutLast(rest)
	if id != machineID || !isID(machineID) { // one that is none would be remembered at its full length
		return errUnauthorized
	}
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errUnauthorized
	}
	if skew := k.now().Sub(time.UnixMilli(ms)); skew > maxSkew || skew < -maxSkew {
		return errUnauthorized
	}
	got, err := hex.DecodeString(mac)
	if err != nil {
		return errUnauthorized
	}
	for {
		key, err := k.find(r.Context(), machineID)
		if err != nil {
			return err
		}
		if key == nil {
			return errUnauthorized
		}
		if hmac.Equal(got, signature(key, stamp, r.Method, r.RequestURI, body)) {
			return nil
		}
		if !k.doubt(machineID) {
			return errUnauthorized
		}
	}
}

// cutLast cuts text at its last colon.
func cutLast(text string) (before, after string) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return text, ""
	}
	return text[:i], text[i+1:]
}

func signature(key []byte, ms, method, uri string, body []byte) []byte {
	sum := sha256.Sum256(body)
	var text bytes.Buffer
	text.WriteString(ms)
	text.WriteByte('\n')
	text.WriteString(method)
	text.WriteByte('\n')
	text.WriteString(uri)
	text.WriteByte('\n')
	text.WriteString(hex.EncodeToString(sum[:]))
	mac := hmac.New(sha256.New, key)
	mac.Write(text.Bytes())
	return mac.Sum(nil)
}
