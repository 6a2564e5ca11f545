package miniredis_test

import (
	"bufio"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lunchrush/lunchrush/internal/testbed/miniredis"
)

func TestItExpiresKeysByTheClockAndEndsWithItsStdin(t *testing.T) {
	stdin, closeStdin := io.Pipe()
	lines, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- miniredis.Run(t.Context(), stdin, stdout) }()
	line, err := bufio.NewReader(lines).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ Msg, Redis string }
	if err := json.Unmarshal(line, &said); err != nil || said.Msg != "listening" {
		t.Fatalf("it says %q, %v", line, err)
	}
	c := redis.NewClient(&redis.Options{Addr: said.Redis, DisableIdentity: true, Protocol: 2, MaxRetries: -1})
	defer func() { _ = c.Close() }()

	begun := time.Now()
	if err := c.Set(t.Context(), "lock", "1", 150*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "kept", "1", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	for c.Exists(t.Context(), "lock").Val() == 1 {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("a key with 150 ms to live is there after 10 s")
		}
	}
	if lived := time.Since(begun); lived < 100*time.Millisecond {
		t.Errorf("a key with 150 ms to live lived %v", lived)
	}
	if c.Exists(t.Context(), "kept").Val() != 1 {
		t.Error("a key with an hour to live is gone")
	}
	_ = closeStdin.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if c.Ping(t.Context()).Err() == nil {
		t.Error("it answers after its stdin was closed")
	}
}
