package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/internal/pgserver"
)

// podVariable makes the test binary a payments command: the demo starts its own
// program again as its pods.
const podVariable = "PAYMENTS_TEST_BINARY"

func TestMain(m *testing.M) {
	if os.Getenv(podVariable) != "" {
		os.Exit(command(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestDemo is the demo in short: one kill and one pause. All promises hold, and
// the handwritten service does harm under the same faults.
func TestDemo(t *testing.T) {
	t.Setenv(podVariable, "1")
	var out bytes.Buffer
	c := config{
		length: 3 * time.Second, customers: 12, think: 200 * time.Millisecond,
		faults: []string{killPod, pausePod}, out: &out,
	}
	r, err := c.demo(t.Context())
	if errors.Is(err, pgserver.ErrMissing) {
		t.Skip("not run: the payments demo: " + err.Error())
	}
	if err == nil {
		err = r.print(&out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var last struct {
		Seed                  uint64
		Mainstem, Handwritten map[string]int
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Seed != r.Seed || last.Mainstem["acknowledged"] != last.Mainstem["requests"] || last.Mainstem["requests"] == 0 {
		t.Errorf("the last line says %+v of %d", last, r.Seed)
	}
	for _, key := range strings.Fields("double_charges lost_events duplicate_effects stale_own_reads") {
		if n, ok := last.Mainstem[key]; !ok || n != 0 {
			t.Errorf("%s of mainstem is %d", key, n)
		}
		if _, ok := last.Handwritten[key]; !ok {
			t.Errorf("the last line says nothing of %s of handwritten", key)
		}
	}
}

// TestVerdict: a broken promise is an error, and so is a demo that shows nothing.
func TestVerdict(t *testing.T) {
	good := func() *report {
		r := &report{Mainstem: &figures{Acknowledged: 1, OnReplica: 1}, Handwritten: &figures{}}
		r.Handwritten.LostEvents = 1
		return r
	}
	for _, test := range []struct {
		name string
		harm func(r *report)
		want string
	}{
		{"as it should be", func(*report) {}, ""},
		{"double charge", func(r *report) { r.Mainstem.DoubleCharges = 1 }, "promise is broken"},
		{"lost event", func(r *report) { r.Mainstem.LostEvents = 1 }, "promise is broken"},
		{"duplicate effect", func(r *report) { r.Mainstem.DuplicateEffects = 1 }, "promise is broken"},
		{"stale read", func(r *report) { r.Mainstem.StaleOwnReads = 1 }, "promise is broken"},
		{"nothing acknowledged", func(r *report) { r.Mainstem.Acknowledged = 0 }, "shows nothing"},
		{"nothing read on a replica", func(r *report) { r.Mainstem.OnReplica = 0 }, "shows nothing"},
		{"no harm by hand", func(r *report) { r.Handwritten.LostEvents = 0 }, "shows nothing"},
	} {
		r := good()
		test.harm(r)
		err := r.verdict()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestSchedule: one seed gives the same faults, another one others.
func TestSchedule(t *testing.T) {
	drawn := func(seed uint64) []fault { return schedule(seed, wholeDay, 28*time.Second) }
	if !slices.Equal(drawn(7), drawn(7)) || slices.Equal(drawn(7), drawn(8)) {
		t.Errorf("seed 7: %v and %v; seed 8: %v", drawn(7), drawn(7), drawn(8))
	}
}

// TestCommandLine: mistakes are told apart from failures.
func TestCommandLine(t *testing.T) {
	for _, test := range []struct {
		args string
		want int
	}{{"nonsense", 2}, {"demo -length 2s", 2}, {"demo -customers 0", 2}, {"demo x", 2}, {"pod -dir nowhere/at/all", 1}, {"demo -h", 0}} {
		var said bytes.Buffer
		if got := command(t.Context(), strings.Fields(test.args), strings.NewReader(""), &said, &said); got != test.want {
			t.Errorf("%s: exit code %d, want %d: %s", test.args, got, test.want, said.String())
		}
	}
}
