package serving_test

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/observe/serving"
	"github.com/mainstemdb/mainstem/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told is what a registry tells, by name and labels.
func told(t *testing.T, m *serving.Metrics) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			var labels []string
			for _, l := range one.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			all[strings.TrimPrefix(f.GetName(), "mainstem_server_")+"{"+strings.Join(labels, ",")+"}"] = one.GetCounter().GetValue() + one.GetGauge().GetValue()
		}
	}
	return all
}

// TestRefusals: every reason there is has its count.
func TestRefusals(t *testing.T) {
	m := &serving.Metrics{Server: server.New(mainstemtest.Open(t).Backend())}
	for i, why := range access.Reasons() {
		for range i + 1 {
			m.Refused(access.Refusal{Reason: why})
		}
	}
	m.Refused(access.Refusal{Reason: "of another version"})
	got := told(t, m)
	for i, why := range access.Reasons() {
		if n := got["refused_total{"+string(why)+"}"]; n != float64(i+1) {
			t.Errorf("%s: %v, want %d", why, n, i+1)
		}
	}
}

// TestConnections: what is open, and every byte, as the other end counts them.
func TestConnections(t *testing.T) {
	m := &serving.Metrics{Server: server.New(mainstemtest.Open(t).Backend())}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := server.HTTP(m.Server)
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(m.Listener(l)) }()
	defer func() {
		if err := web.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != http.ErrServerClosed {
			t.Error(err)
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const asked = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	if _, err := c.Write([]byte(asked)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, err := c.Read(answer)
	if err != nil || !strings.Contains(string(answer[:n]), "200 OK") {
		t.Fatalf("%v: %s", err, answer[:n])
	}
	// An answer is counted once it is written: its reader can be faster.
	var got map[string]float64
	eventually(t, func() bool {
		got = told(t, m)
		return got["sent_bytes_total{}"] > 0
	}, "an answer that was read is not counted")
	if got["connections{}"] != 1 || got["received_bytes_total{}"] != float64(len(asked)) || got["sent_bytes_total{}"] != float64(n) {
		t.Errorf("%v %v %v; %d and %d bytes", got["connections{}"], got["received_bytes_total{}"], got["sent_bytes_total{}"], len(asked), n)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return told(t, m)["connections{}"] == 0 }, "a connection that is gone is counted as open")
}

// TestCalls: each call and each outcome has a series from the beginning, so that
// the first failure is an increase.
func TestCalls(t *testing.T) {
	m := &serving.Metrics{Server: server.New(mainstemtest.Open(t).Backend())}
	got := told(t, m)
	for _, call := range []string{"Commit", "Submit", "Read", "View", "Changes", "Follow", "Acknowledge", "Status", server.CallTransaction, server.CallFeed} {
		for _, outcome := range append([]string{"done"}, codes()...) {
			if n, ok := got["calls_total{"+call+","+outcome+"}"]; !ok || n != 0 {
				t.Errorf("%s, %s: %v, %v", call, outcome, n, ok)
			}
		}
	}
	if problems, err := testutil.CollectAndLint(m); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	if !slices.Contains(codes(), "overloaded") {
		t.Error("this test sees no codes")
	}
}

func codes() (names []string) {
	for _, c := range mainstem.Codes() {
		names = append(names, c.String())
	}
	return names
}

// eventually fails unless something holds within twenty seconds.
func eventually(t *testing.T, holds func() bool, otherwise string) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(20 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal(otherwise)
		}
	}
}
