package demo

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// honest is a world in which everything is as acknowledged.
func honest() (entries []entry, initial map[string]int64, database map[string]held) {
	entries = []entry{
		{ID: "row-1", Item: "milk", Quantity: 2, Position: 5, Left: 3},
		{ID: "row-2", Item: "milk", Quantity: 3, Position: 6, Left: 0},
		{ID: "row-3", Item: "milk", Quantity: 1, SoldOut: true},
		{ID: "row-4", Item: "soda", Quantity: 1, Position: 7, Left: 8},
	}
	initial = map[string]int64{"milk": 5, "soda": 9}
	database = map[string]held{
		"milk": {Stock: 0, Orders: map[string]int64{"row-1": 2, "row-2": 3}, Events: map[string]int{"row-1": 1, "row-2": 1}},
		"soda": {Stock: 8, Orders: map[string]int64{"row-4": 1}, Events: map[string]int{"row-4": 1}},
	}
	return entries, initial, database
}

func TestAuditOfTheHonest(t *testing.T) {
	if f := compare(honest()); f.Lost != 0 || f.Duplicated != 0 || f.Oversold != 0 {
		t.Errorf("%+v", f)
	}
}

// TestAuditGoesRed plants one lie at a time.
func TestAuditGoesRed(t *testing.T) {
	milk := func(d map[string]held, change func(*held)) {
		h := d["milk"]
		h.Orders, h.Events = maps.Clone(h.Orders), maps.Clone(h.Events)
		change(&h)
		d["milk"] = h
	}
	for _, c := range []struct {
		lie                        string
		plant                      func(map[string]held)
		lost, duplicated, oversold bool
	}{
		{"a purchase is gone whole", func(d map[string]held) {
			milk(d, func(h *held) { delete(h.Orders, "row-1"); delete(h.Events, "row-1"); h.Stock = 2 })
		}, true, false, false},
		{"its event is gone", func(d map[string]held) { milk(d, func(h *held) { delete(h.Events, "row-1") }) }, true, false, false},
		{"its order is gone", func(d map[string]held) { milk(d, func(h *held) { delete(h.Orders, "row-1") }) }, true, true, false},
		{"its order is for less", func(d map[string]held) { milk(d, func(h *held) { h.Orders["row-1"] = 1; h.Stock = 1 }) }, true, false, false},
		{"the stock was not taken", func(d map[string]held) { milk(d, func(h *held) { h.Stock = 2 }) }, true, false, false},
		{"the stock was taken twice", func(d map[string]held) { milk(d, func(h *held) { h.Stock = -2 }) }, false, true, false},
		{"an event stands twice", func(d map[string]held) { milk(d, func(h *held) { h.Events["row-1"] = 2 }) }, false, true, false},
		{"a refused purchase is there", func(d map[string]held) {
			milk(d, func(h *held) { h.Orders["row-3"] = 1; h.Events["row-3"] = 1; h.Stock = -1 })
		}, false, true, true},
		{"an event without its order", func(d map[string]held) { milk(d, func(h *held) { h.Events["row-3"] = 1 }) }, false, true, false},
		{"an item nobody knows", func(d map[string]held) { d["beer"] = held{Orders: map[string]int64{"row-9": 1}} }, false, true, false},
		{"an item is gone", func(d map[string]held) { delete(d, "soda") }, true, true, false},
	} {
		entries, initial, database := honest()
		c.plant(database)
		f := compare(entries, initial, database)
		if f.Lost > 0 != c.lost || f.Duplicated > 0 != c.duplicated || f.Oversold > 0 != c.oversold || len(f.details) == 0 {
			t.Errorf("%s: %+v; want lost %t, duplicated %t, oversold %t", c.lie, f, c.lost, c.duplicated, c.oversold)
		}
	}
	entries, initial, database := honest()
	if f := compare(append(entries, entries[0]), initial, database); f.Duplicated == 0 {
		t.Errorf("one purchase acknowledged twice: %+v", f)
	}
	entries, initial, database = honest()
	initial["milk"] = 4
	if f := compare(entries, initial, database); f.Oversold != 1 {
		t.Errorf("five sold of four: %+v", f)
	}
}

// TestReportGoesRed: each figure that must be zero, or yes, breaks the report.
func TestReportGoesRed(t *testing.T) {
	sound := func() Figures { return Figures{Linearizable: "yes"} }
	for what, breakIt := range map[string]func(*Figures){
		"lost":         func(f *Figures) { f.AckedLost = 1 },
		"duplicated":   func(f *Figures) { f.Duplicated = 1 },
		"oversold":     func(f *Figures) { f.Oversold = 1 },
		"linearizable": func(f *Figures) { f.Linearizable = "no" },
		"unavailable":  func(f *Figures) { f.UnavailableP99, f.outcome = 251, &outcome{plan: plan{bound: Bound}} },
		"kills":        func(f *Figures) { f.outcome = &outcome{plan: plan{kills: 1}} },
		"purchases":    func(f *Figures) { f.outcome = &outcome{plan: plan{orders: make([]Order, 1)}} },
		"broke":        func(f *Figures) { f.outcome = &outcome{plan: plan{kills: 1}, broke: &breakage{errEnded}} },
	} {
		r := Report{Figures: sound(), CAS: sound()}
		if broken := r.Broken(); len(broken) != 0 {
			t.Errorf("a sound report: %v", broken)
		}
		breakIt(&r.Figures)
		if len(r.Broken()) != 1 {
			t.Errorf("%s in the first run: %v", what, r.Broken())
		}
		r = Report{Figures: sound(), CAS: sound()}
		breakIt(&r.CAS)
		if len(r.Broken()) != 1 {
			t.Errorf("%s in the second run: %v", what, r.Broken())
		}
	}
}

// TestRepliesToTheAuditAreNotRetries: only what shoppers repeated during the
// run counts as a retry.
func TestRepliesToTheAuditAreNotRetries(t *testing.T) {
	o := &outcome{replayedInRun: 3, replayedAfter: resend}
	if f := o.figures(); f.RetriesAnsweredReplayed != 3 {
		t.Errorf("%d retries, want 3", f.RetriesAnsweredReplayed)
	}
}

// TestBreakageIsAFinding: what ended a run is in its report, and nothing that
// was acknowledged counts as found.
func TestBreakageIsAFinding(t *testing.T) {
	book, err := newLedger(filepath.Join(t.TempDir(), "acknowledged"))
	if err != nil {
		t.Fatal(err)
	}
	defer book.close()
	for _, e := range []entry{{ID: "row-1", Item: "milk", Quantity: 1}, {ID: "row-2", Item: "milk", SoldOut: true}} {
		if err := book.write(e); err != nil {
			t.Fatal(err)
		}
	}
	m := &market{ledger: book, plan: plan{orders: make([]Order, 9), kills: 5}}
	o, err := new(world).audit(t.Context(), m, nil, fmt.Errorf("around: %w", &breakage{errEnded}))
	if err != nil {
		t.Fatal(err)
	}
	f := o.figures()
	if broken := f.broken("x"); f.AckedLost != 1 || f.Linearizable != "unknown" || len(broken) != 2 || !errors.Is(errors.Join(broken...), errEnded) {
		t.Errorf("%+v, broken: %v", f, broken)
	}
	if _, err := new(world).audit(t.Context(), m, nil, errEnded); !errors.Is(err, errEnded) {
		t.Errorf("an end that is no breakage: %v", err)
	}
}

// TestHolderThatDies: a process that ends though nobody has ended it is heard
// of, or shoppers would wait for it for ever.
func TestHolderThatDies(t *testing.T) {
	script := filepath.Join(t.TempDir(), "holder")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho ready\necho no reason >&2\nread line\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	heard := make(chan error, 1)
	h := &holder{exe: script, died: func(err error) { heard <- err }}
	if err := h.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(h.stdin, "end\n"); err != nil {
		t.Fatal(err)
	}
	err := <-heard
	if _, ok := errors.AsType[*breakage](err); !ok || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("it ended with %v", err)
	}
	h.end()
}
