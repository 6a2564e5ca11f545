package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

// A town is a fleet and its service in one bubble.
type town struct {
	*rig
	fleet  *fleet
	shop   *shopfront
	street *street
	server *http.Server
	cancel context.CancelFunc
}

func newTown(t *testing.T, sc *scenarios.Scenario, orders ...PlanOrder) *town {
	t.Helper()
	r := newRig(t, planOf(orders...), sc)
	for _, o := range orders {
		r.orders.bind(o.Key, o.Key)
	}
	f := makeFleet(r.stage)
	town := &town{rig: r, fleet: f, shop: newShopfront(t, f.sheets()), street: newStreet()}
	f.dial = town.street.dial
	r.service = town.shop
	town.server = &http.Server{Handler: town.shop}
	go town.server.Serve(town.street)
	ctx, cancel := context.WithCancel(context.Background())
	town.cancel = cancel
	f.begin(ctx, "http://127.0.0.1:1", "http://127.0.0.1:1")
	return town
}

func (tn *town) close() {
	tn.fleet.stop()
	tn.cancel()
	tn.server.Close()
}

func ttl(d time.Duration) *int64 {
	ms := d.Milliseconds()
	return &ms
}

func fleetScenario(beat time.Duration) *scenarios.Scenario {
	return &scenarios.Scenario{Fleet: scenarios.Fleet{Stock: 5, PriceFen: [2]int64{200, 600}, Poll: 25 * time.Second, Beat: beat}}
}

func TestSheets(t *testing.T) {
	r := newRig(t, &Plan{Header: PlanHeader{Seed: 3, Machines: 20_000, Slots: 10}}, fleetScenario(0))
	f := makeFleet(r.stage)
	bodies := f.sheets()
	if len(bodies) < 2 {
		t.Errorf("%d bodies, want several", len(bodies))
	}
	seen, keys := 0, map[string]bool{}
	prices := map[int64]bool{}
	for _, body := range bodies {
		if len(body) > 8<<20 {
			t.Errorf("a body of %d bytes", len(body))
		}
		var list []sheet
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if want := machineName(seen); s.Machine != want {
				t.Fatalf("machine %s, want %s", s.Machine, want)
			}
			seen++
			keys[s.KeyHex] = true
			for k, slot := range s.Slots {
				prices[slot.Fen] = true
				if slot.Slot != k+1 || slot.Stock != 5 || slot.Fen < 200 || slot.Fen > 600 {
					t.Fatalf("%s: %+v", s.Machine, slot)
				}
			}
		}
	}
	if seen != 20_000 || len(keys) != seen || len(prices) != 401 {
		t.Errorf("%d machines with %d keys and %d prices", seen, len(keys), len(prices))
	}
	if n := len(r.booked(runlog.Stock)); n != 200_000 {
		t.Errorf("stock of %d slots is booked", n)
	}
	if again := makeFleet(newRig(t, r.plan, fleetScenario(0)).stage).sheets(); !slices.EqualFunc(bodies, again, slices.Equal) {
		t.Error("the same plan gave other sheets")
	}
}

func TestFleetOfAShard(t *testing.T) {
	total := 0
	for i := range 3 {
		r := newRig(t, &Plan{Header: PlanHeader{Machines: 100, Slots: 1, Shard: i, Shards: 3}}, nil)
		total += len(makeFleet(r.stage).machines)
	}
	if total != 100 {
		t.Errorf("three shards have %d machines, want 100", total)
	}
}

func TestFleetRefusesToLeaveTheMachine(t *testing.T) {
	tests := []struct{ name, url, want string }{
		{"loopback is dialled", "http://127.0.0.1:8080", ""},
		{"a path before /v1 is kept", "http://127.0.0.1:8080/shop/", ""},
		{"IPv6 loopback is dialled", "http://[::1]:8080", ""},
		{"a private address is not", "http://10.0.0.1:8080", "not a loopback address"},
		{"a name is not, wherever it leads", "http://localhost.example.com:8080", "not a loopback address"},
		{"all addresses are not", "http://0.0.0.0:8080", "not a loopback address"},
		{"https is not spoken", "https://127.0.0.1:8080", "want http://127.0.0.1:port"},
		{"a port is needed", "http://127.0.0.1", "want http://127.0.0.1:port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loopbackTarget(tt.url)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}

	r := newRig(t, planOf(), fleetScenario(0))
	f := makeFleet(r.stage)
	f.dial = func(context.Context, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, errRefused
	}
	f.begin(t.Context(), "http://10.0.0.1:80", "http://10.0.0.1:80")
	f.stop()
}

func TestCommandReachesItsMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTown(t, fleetScenario(0), PlanOrder{Key: "o1", Device: DeviceDispenses, Takes: 3 * time.Second})
		defer tn.close()
		time.Sleep(2 * time.Minute) // several long polls
		tn.shop.refused = 2
		at := tn.now()
		tn.shop.command("m00002", command{ID: "c1", Order: "o1", Kind: "dispense", Slot: 2, TTLMS: ttl(time.Minute)})
		time.Sleep(time.Minute)

		dropped := tn.booked(runlog.MachineDropped)
		if len(dropped) != 1 || dropped[0].Machine != "m00002" || dropped[0].Slot != 2 || time.Duration(dropped[0].At) != at+3*time.Second {
			t.Errorf("dropped %+v, want one of m00002, slot 2, at %v", dropped, at+3*time.Second)
		}
		told := tn.shop.told()
		if len(told) != 3 || told[2].machine != "m00002" || told[2].Command != "c1" || told[2].Order != "o1" || told[2].Outcome != outcomeDispensed {
			t.Errorf("told %+v, want the third send to be the last", told)
		}
		intents, answers := tn.booked(runlog.ResultIntent), tn.booked(runlog.ResultAnswer)
		if len(intents) != 3 || len(answers) != 3 || answers[0].Status != 503 || answers[2].Status != 200 || !answers[2].OK {
			t.Errorf("intents %+v, answers %+v", intents, answers)
		}
		if intents[0].At < dropped[0].At {
			t.Error("the result left before the goods were booked")
		}
		tn.shop.mu.Lock()
		defer tn.shop.mu.Unlock()
		if len(tn.shop.queue["m00002"]) > 0 {
			t.Error("the command was not acknowledged by the next poll")
		}
	})
}

func TestLostResultIsToldByTheNextHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTown(t, fleetScenario(30*time.Second), PlanOrder{Key: "o1", Device: DeviceLostResult, Takes: time.Second})
		defer tn.close()
		time.Sleep(time.Second)
		tn.shop.command("m00001", command{ID: "c1", Order: "o1", Kind: "dispense", Slot: 1, TTLMS: ttl(time.Minute)})
		time.Sleep(time.Hour)
		if told := tn.shop.told(); len(told) > 0 {
			t.Errorf("told %+v, want nothing", told)
		}
		tn.shop.mu.Lock()
		beats := tn.shop.beats
		tn.shop.mu.Unlock()
		if n := len(beats["m00001"]); n < 119 || n > 121 {
			t.Errorf("%d heartbeats in an hour, want one each 30 s", n)
		}
		want := pulse{LastCommand: "c1", LastOrder: "o1", State: "IDLE", LastOutcome: outcomeDispensed}
		if beats["m00001"][1] != want {
			t.Errorf("the heartbeat after the drop says %+v", beats["m00001"][1])
		}
	})
}

func TestHeartbeatsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTown(t, fleetScenario(30*time.Second))
		defer tn.close()
		time.Sleep(29 * time.Second)
		var at []time.Duration
		for _, s := range tn.sends(SendHeartbeat) {
			at = append(at, s.at)
		}
		if want := []time.Duration{0, 10 * time.Second, 20 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("heartbeats at %v, want %v", at, want)
		}
	})
}

func TestManyHeartbeatsFallDueTogether(t *testing.T) {
	const n, every = 10_000, 30 * time.Second
	b := beats{fleet: &fleet{machines: make([]*machine, n)}, every: every, from: 7 * time.Millisecond}
	moments := map[time.Duration]bool{}
	for beat := range 2 * n {
		due, even := b.due(beat), b.from+time.Duration(beat)*every/n
		if due > even || due <= even-beatGrid {
			t.Fatalf("beat %d at %v, wanted at most %v before %v", beat, due, beatGrid, even)
		}
		moments[due] = true
	}
	if want := int(2 * every / beatGrid); len(moments) != want {
		t.Errorf("%d moments, want %d", len(moments), want)
	}
}

func TestFailedHeartbeatsAreBooked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTown(t, fleetScenario(30*time.Second))
		defer tn.close()
		time.Sleep(29 * time.Second)
		tn.shop.mu.Lock()
		tn.shop.ill = true
		tn.shop.mu.Unlock()
		time.Sleep(30 * time.Second)
		if failed := tn.booked(runlog.HeartbeatFailure); len(failed) != 3 || failed[0].Status != 503 {
			t.Errorf("booked %+v, want the failures of three machines", failed)
		}
	})
}

func TestOfflineMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTown(t, fleetScenario(5*time.Second), PlanOrder{Key: "o1", Takes: time.Second}, PlanOrder{Key: "o2", Takes: 10 * time.Second})
		defer tn.close()
		time.Sleep(time.Minute)
		if n := tn.shop.open(); n != 3 {
			t.Fatalf("%d machines poll, want 3", n)
		}
		// It is dispensing when it loses its line: the goods fall, the result waits.
		tn.shop.command("m00001", command{ID: "c2", Order: "o2", Kind: "dispense", Slot: 1, TTLMS: ttl(time.Hour)})
		time.Sleep(time.Second)
		const pause = 40 * time.Second
		from := tn.now()
		tn.fleet.offline("m00001", pause)
		tn.shop.command("m00001", command{ID: "c1", Order: "o1", Kind: "dispense", Slot: 1, TTLMS: ttl(time.Hour)})
		time.Sleep(pause - time.Millisecond)
		if n := tn.shop.open(); n != 2 {
			t.Errorf("%d machines poll, want 2", n)
		}
		for _, s := range tn.sends(SendHeartbeat) {
			if strings.Contains(s.URL, "m00001") && s.at > from+beatAhead && s.at < from+pause {
				t.Errorf("a heartbeat left at %v, offline from %v", s.at, from)
			}
		}
		if told := tn.shop.told(); len(told) > 0 {
			t.Errorf("told %+v while offline", told)
		}
		if n := len(tn.booked(runlog.MachineDropped)); n != 1 {
			t.Errorf("%d drops, want the one that was under way", n)
		}
		time.Sleep(10 * time.Second)
		if n := tn.shop.open(); n != 3 {
			t.Errorf("%d machines poll, want all three again", n)
		}
		told := tn.shop.told()
		if len(told) != 2 || told[0].Command != "c2" || told[1].Command != "c1" {
			t.Errorf("told %+v, want both results", told)
		}
	})
}

func TestMachineGoesOfflineWhileItDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, planOf(), fleetScenario(0))
		f := makeFleet(r.stage)
		f.machines = f.machines[:1]
		asked := make(chan time.Duration, 1)
		dials := 0
		f.dial = func(context.Context, string) (net.Conn, error) {
			if dials++; dials == 1 {
				f.offline("m00001", time.Minute)
			}
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				buf := make([]byte, 4096)
				if _, err := there.Read(buf); err == nil {
					asked <- r.now()
					_, _ = there.Read(buf) // until the machine hangs up
				}
			}()
			return here, nil
		}
		f.begin(t.Context(), "http://127.0.0.1:1", "http://127.0.0.1:1")
		time.Sleep(90 * time.Second)
		f.stop()
		select {
		case at := <-asked:
			if at < time.Minute {
				t.Errorf("asked at %v, offline for the first minute", at)
			}
		default:
			t.Error("never asked")
		}
	})
}

func TestFleetComesBackWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTown(t, fleetScenario(0))
		defer tn.close()
		time.Sleep(time.Minute)
		tn.street.mu.Lock()
		tn.street.down, tn.street.dials = true, nil
		tn.street.mu.Unlock()
		for _, m := range tn.fleet.machines {
			m.hangUp()
		}
		time.Sleep(time.Minute)
		tn.street.mu.Lock()
		tn.street.down = false
		dials := tn.street.dials
		tn.street.mu.Unlock()
		// Three machines, pauses that double up to 2.5 to 7.5 s.
		if len(dials) < 3*9 || len(dials) > 3*25 {
			t.Errorf("%d dials in a minute without a service", len(dials))
		}
		time.Sleep(8 * time.Second)
		if n := tn.shop.open(); n != 3 {
			t.Errorf("%d machines are back", n)
		}
	})
}

// A service that answers at once whatever it is asked does not make the fleet spin.
func TestFleetDoesNotSpin(t *testing.T) {
	for _, status := range []int{204, 429, 503, 401, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTown(t, fleetScenario(0))
				defer tn.close()
				tn.shop.mu.Lock()
				tn.shop.status = status
				tn.shop.mu.Unlock()
				time.Sleep(time.Minute)
				tn.shop.mu.Lock()
				polls := tn.shop.polls
				tn.shop.mu.Unlock()
				if polls < 3*9 || polls > 3*25 {
					t.Errorf("%d polls in a minute", polls)
				}
			})
		})
	}
}

// Nothing that a service writes ends a machine; it dials again.
func TestFleetSurvivesBadAnswers(t *testing.T) {
	answers := []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"nonsense\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"",
	}
	for i, text := range answers {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, planOf(), fleetScenario(0))
				f := makeFleet(r.stage)
				dials := 0
				f.machines = f.machines[:1]
				f.dial = func(context.Context, string) (net.Conn, error) {
					dials++
					here, there := net.Pipe()
					go func() {
						defer there.Close()
						buf := make([]byte, 4096)
						if _, err := there.Read(buf); err == nil {
							_, _ = there.Write([]byte(text))
						}
					}()
					return here, nil
				}
				f.begin(t.Context(), "http://127.0.0.1:1", "http://127.0.0.1:1")
				time.Sleep(time.Minute)
				f.stop()
				if dials < 8 || dials > 25 {
					t.Errorf("%d dials in a minute", dials)
				}
			})
		})
	}
}

func TestChunkedAndClosingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, planOf(), fleetScenario(0))
		f := makeFleet(r.stage)
		f.machines = f.machines[:1]
		const answers = 6
		given := 0
		f.dial = func(context.Context, string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				buf := make([]byte, 4096)
				for _, head := range []string{"", "Connection: close\r\n"} {
					if _, err := there.Read(buf); err != nil {
						return
					}
					if given == answers {
						_, _ = there.Read(buf) // until the machine hangs up
						return
					}
					given++
					body := fmt.Sprintf(`{"command_id":"c%d","order_id":"o1","kind":"dispense","slot":1,"ttl_ms":1000}`, given)
					_, _ = fmt.Fprintf(there, "HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, len(body), body)
				}
			}()
			return here, nil
		}
		f.begin(t.Context(), "http://127.0.0.1:1", "http://127.0.0.1:1")
		time.Sleep(firstPause / 4) // a closed line that was announced is no failure: nothing pauses
		f.stop()
		if n := len(r.booked(runlog.MachineCommand)); n != answers {
			t.Errorf("%d commands, want %d", n, answers)
		}
	})
}

func TestManyMachinesEndWithoutATrace(t *testing.T) {
	const machines = 1000
	before := runtime.NumGoroutine()
	r := newRig(t, &Plan{Header: PlanHeader{Seed: 1, Machines: machines, Slots: 1}}, fleetScenario(0))
	f := makeFleet(r.stage)
	shop := newShopfront(t, f.sheets())
	server := httptest.NewServer(shop)
	f.begin(context.Background(), server.URL, server.URL)
	await(t, "all machines poll", func() bool { return shop.open() == machines })
	for i := range 50 {
		name := machineName(i * 20)
		shop.command(name, command{ID: "c" + name, Order: "o" + name, Kind: "dispense", Slot: 1, TTLMS: ttl(time.Minute)})
	}
	await(t, "the goods fall", func() bool { return len(r.booked(runlog.MachineDropped)) == 50 })
	await(t, "all machines poll again", func() bool { return shop.open() == machines })
	stopped := time.Now()
	f.stop()
	if took := time.Since(stopped); took >= f.wait {
		t.Errorf("stopping took %v: it waited for the long polls", took)
	}
	await(t, "the service has noticed", func() bool { return shop.open() == 0 })
	server.Close()
	await(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func TestFleetEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := newTown(t, fleetScenario(time.Second))
		time.Sleep(time.Minute)
		tn.cancel()
		synctest.Wait()
		if n := tn.shop.open(); n != 0 {
			t.Errorf("%d machines still poll", n)
		}
		beats := len(tn.sends(SendHeartbeat))
		time.Sleep(time.Minute)
		if n := len(tn.sends(SendHeartbeat)); n > beats+3 {
			t.Errorf("%d heartbeats after the end", n-beats)
		}
		tn.close()
	})
}
