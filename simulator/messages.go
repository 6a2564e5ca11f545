package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator/sqs"
)

// SendMessage is a machine's send of a batch of readings to the message queue.
const SendMessage = "message"

// sentAgain is what [PlanCall.Note] says of a batch that the queue is given twice.
const sentAgain = "again"

// planMessages spreads the sends over the curve, each from a machine of its own choice.
func planMessages(s *scenarios.Scenario, chance func(string) *stream) []PlanCall {
	if s.Messages.PerMachineHour == 0 {
		return nil
	}
	due := arrivals(s.MessagesCurve(), s.Demand.Arrivals, chance("message arrivals"))
	again := chance("message again").quotas(len(due), "", share{sentAgain, s.Messages.Again})
	machine := chance("message machine")
	calls := make([]PlanCall, len(due))
	for i := range calls {
		calls[i] = PlanCall{Due: due[i], Subject: machineName(machine.below(s.Fleet.Machines)), N: s.Messages.Batch, Note: again[i]}
	}
	return calls
}

// messages are the machines that send readings, the queue that carries them, and the metering system that the service
// tells of each.
type messages struct {
	caller
	queue    *sqs.Queue
	doors    []*loopbackServer
	queueURL string
	metering string

	mu      sync.Mutex
	delays  *stream // of metering's answers; guarded by mu
	deletes *stream // of the queue's; guarded by mu
	refused int     // receives, up to the second before; used on the agenda only
	until   time.Duration
}

func openMessages(st *stage) (workload, error) {
	m := &messages{caller: caller{st: st}, delays: newStream(st.plan.Header.Seed, "message metering")}
	m.deletes = newStream(st.plan.Header.Seed, "message delete")
	m.queue = sqs.New(st.scenario.Messages.Limit, st.scenario.Messages.Visibility)
	queue := m.queue.Handler()
	door := http.NewServeMux()
	door.Handle("/", queue)
	door.HandleFunc("POST /delete", func(w http.ResponseWriter, r *http.Request) {
		if m.doors[0].pause(r, m.draw(m.deletes, st.scenario.Messages.Delete)) {
			queue.ServeHTTP(w, r)
		}
	})
	metering := http.NewServeMux()
	metering.HandleFunc("POST /readings", m.told)
	for _, d := range []struct {
		url     *string
		handler http.Handler
	}{{&m.queueURL, door}, {&m.metering, metering}} {
		server, err := newLoopbackServer(d.handler)
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m.doors = append(m.doors, server)
		*d.url = server.url
	}
	return m, nil
}

func (m *messages) settle(s *ServiceSettings) { s.QueueURL, s.MeteringURL = m.queueURL, m.metering }

// begin books the queue's figures each second from now on.
func (m *messages) begin(target Target, from, deadline time.Duration) {
	m.caller.begin(target, from, deadline)
	m.until = deadline
	m.st.after(from, m.second)
}

func (m *messages) second() {
	c := m.queue.Counts()
	m.st.book(runlog.Record{Event: runlog.QueueSecond, N: c.Most, Fen: int64(c.Visible + c.InFlight), Status: c.Refused - m.refused})
	m.refused = c.Refused
	if at := m.st.now() + time.Second; at < m.st.moved(m.until) {
		m.st.after(at, m.second)
	}
}

// call sends one batch to the queue. The i-th reading of a batch tells i pieces.
func (m *messages) call(c *PlanCall, due time.Duration) {
	bodies := make([]string, c.N)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"message_id":"%s-%d","machine_id":"%s","pieces":%d}`, c.Call, i+1, c.Subject, i+1)
	}
	body, err := json.Marshal(map[string][]string{"messages": bodies})
	if err != nil { // strings
		panic(err)
	}
	s := Send{Due: due, Method: http.MethodPost, URL: m.queueURL + "/send", Header: jsonHeader, Body: body}
	m.push(c, s, func(a Answer) said {
		if a.Status != http.StatusOK {
			return refused("", a.Status)
		}
		if c.Note == sentAgain { // by another way, so that it is not one of the calls
			if _, err := m.queue.Send(bodies...); err != nil {
				m.st.logger.Error("sending a batch again", "err", err)
			}
		}
		return said{ok: true, n: c.N}
	})
}

// told is the metering system: it takes everything, as late as the scenario says.
func (m *messages) told(w http.ResponseWriter, r *http.Request) {
	var reading struct {
		MessageID string `json:"message_id"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes)).Decode(&reading); err != nil || reading.MessageID == "" {
		refuse(w, http.StatusBadRequest, "PARAM_ERROR", "not a reading")
		return
	}
	if m.doors[1].pause(r, m.draw(m.delays, m.st.scenario.Messages.Metering)) {
		answer(w, http.StatusOK, map[string]string{"message_id": reading.MessageID})
	}
}

func (m *messages) draw(s *stream, d scenarios.Delay) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return s.draw(d)
}

// idle waits until the queue is empty.
func (m *messages) idle() bool {
	c := m.queue.Counts()
	return m.caller.idle() && c.Visible+c.InFlight == 0
}

func (m *messages) Close() error {
	var errs []error
	for _, s := range m.doors {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
