package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// announceTimeout has room for the registry's call back.
const announceTimeout = 5 * time.Second

// Announce tells the registry at a base URL of a process. service.ErrIdentityTaken, service.ErrUnreachable.
func Announce(ctx context.Context, base string, a service.Announcement) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/instances", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode < 300 {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return err
	}
	var f failure
	_ = json.Unmarshal(text, &f) // without a code it is none of ours
	switch f.Code {
	case "DUPLICATE_IDENTITY":
		return fmt.Errorf("%w: %s", service.ErrIdentityTaken, f.Message)
	case "UNREACHABLE":
		return fmt.Errorf("%w: %s", service.ErrUnreachable, f.Message)
	}
	return fmt.Errorf("registry answered %d %s: %s", answer.StatusCode, f.Code, f.Message)
}

// identity tells the registry's call back who is here. Whoever was not announced with a nonce has none to tell.
func (a *api) identity(w http.ResponseWriter, _ *http.Request) {
	who := a.Announced()
	writeJSON(w, http.StatusOK, map[string]string{"identity": who.Identity, "nonce": who.Nonce})
}
