package httpapi

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

func TestAnAnswerIsDatedByTheServicesClock(t *testing.T) {
	const off = -42 * time.Minute
	srv := httptest.NewServer(dated(http.NotFoundHandler(), service.HostClock{Offset: off}.Now))
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	says, err := http.ParseTime(resp.Header.Get("Date"))
	if got := time.Until(says); err != nil || (got-off).Abs() > time.Minute || len(resp.Header["Date"]) != 1 {
		t.Errorf("dated %q, %s from now: %v", resp.Header["Date"], got, err)
	}
}
