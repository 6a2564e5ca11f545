package httpapi

import (
	"net/http/httptest"
	"testing"
)

// A request that outlives its client ends with the process, and the process first says that it will end.
func TestDrainEndsWhatIsUntied(t *testing.T) {
	a := &API{Unattended: true, ending: make(chan struct{})}
	r, release := (&api{API: a}).tied(httptest.NewRequest("POST", "/v1/orders", nil))
	defer release()
	a.Withdraw()
	if err := r.Context().Err(); err != nil {
		t.Fatalf("ended by Withdraw: %v", err)
	}
	a.Drain()
	a.Drain()
	<-r.Context().Done()
}
