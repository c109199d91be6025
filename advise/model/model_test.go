package model_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise/model"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

func propose(w *workload.Workload) *model.Model {
	return model.Propose(w, func(id string) rules.Finding {
		r, ok := rules.Lookup(id)
		if !ok {
			panic("there is no rule " + id)
		}
		return r.Eval(w)
	})
}

func described(t *testing.T, text string) *model.Model {
	t.Helper()
	return propose(decoded(t, text))
}

func decoded(t *testing.T, text string) *workload.Workload {
	t.Helper()
	w, err := workload.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestNothingFromNothing: without a description there is no model, only what is open.
func TestNothingFromNothing(t *testing.T) {
	m := described(t, "")
	if len(m.Parts()) > 0 || len(m.Outside) > 0 {
		t.Errorf("from nothing it proposes %+v", m.Parts())
	}
	if len(m.Open) < 4 {
		t.Errorf("open are %+v", m.Open)
	}
}

// TestEveryPartStandsOnItsFields takes away each field that a part names: the part is
// then gone, says something else, or stands on another. So no part rests on what nobody has said.
func TestEveryPartStandsOnItsFields(t *testing.T) {
	files, err := filepath.Glob("../../examples/workloads/*.yaml")
	if err != nil || len(files) < 14 {
		t.Fatalf("%d workloads, %v", len(files), err)
	}
	checked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range propose(decoded(t, string(text))).Parts() {
			if part.Reason == "" || part.Rejected == "" || part.WhyNot == "" || len(part.Fields) == 0 {
				t.Errorf("%s: %s %s has no reason, no other way, or no field", file, part.Noun, part.Name)
			}
			for _, id := range part.Rules {
				if r, ok := rules.Lookup(id); !ok || r.Eval(decoded(t, string(text))).Truth != rules.True {
					t.Errorf("%s: %s %s stands on %s, which has not fired", file, part.Noun, part.Name, id)
				}
			}
			for _, field := range part.Fields {
				w := decoded(t, string(text))
				if strings.Contains(field, "[]") || !w.Get(field).Known {
					continue
				}
				checked++
				if err := w.Set(field, workload.Unknown); err != nil {
					t.Fatal(err)
				}
				if slices.ContainsFunc(propose(w).Parts(), func(p model.Part) bool {
					return p.Noun == part.Noun && p.Name == part.Name && p.Says == part.Says && slices.Equal(p.For, part.For) && slices.Contains(p.Fields, field)
				}) {
					t.Errorf("%s: %s %s is proposed all the same without %s", file, part.Noun, part.Name, field)
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("%d fields were taken away: this does not see the models", checked)
	}
}

const stock = "consistency: {strong: yes, coordination_bearable: yes}\noperations: [{name: reserve, kind: decide, key: item, partitionable: %}]\n"

// TestGroups: what one operation touches decides how large a group is.
func TestGroups(t *testing.T) {
	for said, want := range map[string]string{"yes": "item/{item}", "no": "item"} {
		m := described(t, strings.Replace(stock, "%", said, 1))
		if len(m.Groups) != 1 || m.Groups[0].Name != want || len(m.Keys) != 1 || !m.Keys[0].Reads {
			t.Errorf("partitionable %s: %+v %+v", said, m.Groups, m.Keys)
		}
	}
	m := described(t, strings.Replace(stock, "%", "unknown", 1))
	if len(m.Groups)+len(m.Keys) > 0 || !open(m, "operations[0].partitionable") {
		t.Errorf("not known, and proposed: %+v, open %+v", m.Groups, m.Open)
	}
	if g := (model.Group{Name: "item/{item}", Of: "item"}).InGroup("42"); g != "item/42" {
		t.Errorf("the group of item 42 is %s", g)
	}
}

func open(m *model.Model, field string) bool {
	return slices.ContainsFunc(m.Open, func(o model.Open) bool { return slices.Contains(o.Missing, field) })
}

// TestHotKeyIsACounter: above the threshold a decision adds within bounds, below it reads.
func TestHotKeyIsACounter(t *testing.T) {
	for share, counter := range map[string]bool{"30 %": true, "1 %": false} {
		m := described(t, strings.Replace(stock, "partitionable: %", "partitionable: yes, hottest_key: "+share, 1))
		if len(m.Keys) != 1 || m.Keys[0].Counter != counter {
			t.Errorf("%s at the hottest key: %+v", share, m.Keys)
		}
	}
}

// TestDoor: pg where PostgreSQL is, or where a second copy has to confirm; nothing if neither is known.
func TestDoor(t *testing.T) {
	for text, want := range map[string]model.Door{
		"architecture: {stores: [{engine: postgresql}]}\n":                                                model.PG,
		"objectives: {rpo: 0 s}\nconsistency: {coordination_bearable: yes}\narchitecture: {stores: []}\n": model.PG,
		"objectives: {rpo: 1 m}\narchitecture: {stores: [{engine: mysql}]}\n":                             model.Embedded,
		"objectives: {rpo: 1 m}\n":                           "",
		"architecture: {stores: [{engine: mysql}]}\n":        "",
		"architecture: {stores: [{engine: unknown}]}\n":      "",
		"objectives: {rpo: 0 s}\narchitecture: {stores: []}": "",
	} {
		if m := described(t, text); m.Door.Door != want {
			t.Errorf("%q: door %q, want %q", text, m.Door.Door, want)
		}
	}
}

// TestLeases: the pause is the TTL, and who does not check is named.
func TestLeases(t *testing.T) {
	base := "failure: {exclusive_resource: yes, pauses_possible: yes}\nresources: [{name: printer, pause: 30 s, checks_token: %}]\n"
	said := map[string]string{}
	for _, checks := range []string{"yes", "no", "unknown"} {
		m := described(t, strings.Replace(base, "%", checks, 1))
		if len(m.Leases) != 1 || m.Leases[0].TTL != "30 s" || m.Leases[0].Checked != checks || said[m.Leases[0].Says] != "" {
			t.Errorf("checks %s: %+v", checks, m.Leases)
		}
		said[m.Leases[0].Says] = checks
	}
	if m := described(t, "failure: {exclusive_resource: yes}\nresources: [{name: printer}]\n"); len(m.Leases) > 0 || !open(m, "failure.pauses_possible") {
		t.Errorf("pauses are not known, and there is a lease: %+v", m.Leases)
	}
}

func TestPlain(t *testing.T) {
	for title, want := range map[string]string{
		"look at the feed": "look-at-the-feed", " É  Zürich! ": "z-rich", "": "", "日本": "", "A--b": "a-b",
		strings.Repeat("x", 100): strings.Repeat("x", 47),
	} {
		if got := model.Plain(title); got != want {
			t.Errorf("%q is %q, want %q", title, got, want)
		}
	}
}

// TestNamesDoNotMeet: two of one name, or none, are two parts.
func TestNamesDoNotMeet(t *testing.T) {
	m := described(t, `failure: {exclusive_resource: yes, pauses_possible: yes}
resources: [{name: A}, {name: a}, {name: a resource 2}, {name: "日"}, {pause: 1 s}]
`)
	seen := map[string]bool{}
	for _, l := range m.Leases {
		if seen[l.Name] || l.Name == "" {
			t.Errorf("two leases, or none, are called %q", l.Name)
		}
		seen[l.Name] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d names of 5", len(seen))
	}
}
