package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem/advise/workload"
)

func parsed(t *testing.T, text string) *Condition {
	t.Helper()
	c := new(Condition)
	if err := yaml.Unmarshal([]byte(text), c); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

// TestTruth has each form of the language with each truth that it can come to.
func TestTruth(t *testing.T) {
	w, err := workload.Decode([]byte("consistency: {strong: yes, own_data: no}\nobjectives: {p99: 500 ms, p999: 2 s}\n" +
		"quorum: {n: 3, w: 2, r: 1}\noperations: [{kind: read}, {kind: decide, rate: 5/s}]\nreads: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	const yes, no, open = "{field: consistency.strong, is: yes}", "{field: consistency.own_data, is: yes}", "{field: load.idempotent, is: yes}"
	for _, c := range []struct {
		text string
		want Truth
	}{
		{yes, True},
		{no, False},
		{open, Unknown},
		{"{not: " + yes + "}", False},
		{"{not: " + no + "}", True},
		{"{not: " + open + "}", Unknown},
		{"{all: [" + yes + ", " + yes + "]}", True},
		{"{all: [" + yes + ", " + open + "]}", Unknown},
		{"{all: [" + open + ", " + no + "]}", False},
		{"{any: [" + no + ", " + no + "]}", False},
		{"{any: [" + no + ", " + open + "]}", Unknown},
		{"{any: [" + open + ", " + yes + "]}", True},
		{"{first: [" + open + ", " + no + ", " + yes + "]}", False},
		{"{first: [" + open + ", " + yes + ", " + no + "]}", True},
		{"{first: [" + open + ", " + open + "]}", Unknown},
		{"{field: objectives.p99, over: $tail_latency}", False},
		{"{field: objectives.p99, at_least: $tail_latency}", True},
		{"{field: objectives.p99, at_most: 500 ms}", True},
		{"{field: objectives.p99, under: 500 ms}", False},
		{"{field: objectives.p99, under: objectives.p999}", True},
		{"{field: objectives.p99, under: objectives.rto}", Unknown},
		{"{sum: [quorum.w, quorum.r], at_most: quorum.n}", True},
		{"{sum: [quorum.w, quorum.r], over: quorum.n}", False},
		{"{field: objectives.p99, open: true}", False},
		{"{field: objectives.rto, open: true}", True},
		{"{field: objectives.rto, open: false}", False},
		{"{some: operations, where: [{field: kind, in: [write, decide]}]}", True},
		{"{some: operations, where: [{field: kind, is: write}]}", False},
		{"{some: operations, where: [{field: kind, is: read}, {field: rate, over: 1/s}]}", Unknown}, // the reader's rate is not known
		{"{some: operations, where: [{field: kind, is: decide}, {field: rate, over: 9/s}]}", False},
		{"{some: reads, where: [{field: shape, is: point}]}", False},
		{"{some: steps, where: [{field: compensable, is: no}]}", Unknown},
	} {
		f := parsed(t, c.text).Eval(w)
		if f.Truth != c.want {
			t.Errorf("%s is %s, want %s", c.text, f.Truth, c.want)
		}
		if (f.Truth == Unknown) != (len(f.Missing) > 0) || f.Truth == Unknown && len(f.Facts) > 0 {
			t.Errorf("%s is %s, lacks %v and rests on %v", c.text, f.Truth, f.Missing, f.Facts)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"{}", "exactly one of"},
		{"{field: consistency.strong, is: yes, any: [{field: consistency.strong, is: yes}]}", "exactly one of"},
		{"{field: consistency.strong, says: x}", "exactly one comparison"},
		{"{field: objectives.p99, over: 1 s, under: 2 s, says: x}", "exactly one comparison"},
		{"{field: consistency.strong, is: yes}", "says is missing"},
		{"{field: consistency.stronk, is: yes, says: x}", "is no field"},
		{"{field: \"operations[].rate\", over: 1/s, says: x}", "is no field here"},
		{"{field: consistency.strong, is: maybe, says: x}", "is never maybe"},
		{"{field: load.access, in: [mixed, none], says: x}", "is never none"},
		{"{field: objectives.p99, over: $nowhere, says: x}", "no threshold"},
		{"{field: objectives.p99, over: $cache_hit_rate, says: x}", "no threshold of kind duration"},
		{"{field: objectives.p99, over: quorum.n, says: x}", "compared with a duration"},
		{"{field: objectives.p99, over: 5 kB, says: x}", "no value of kind duration"},
		{"{some: nowhere, where: [{field: kind, is: read, says: x}]}", "no list"},
		{"{some: operations}", "no where"},
		{"{some: operations, where: [{some: reads, where: [{field: shape, is: point, says: x}]}]}", "inside another"},
		{"{not: {field: load.nothing, is: yes, says: x}}", "is no field"},
		{"{all: [{first: [{field: load.nothing, is: yes, says: x}]}]}", "is no field"},
	} {
		if err := parsed(t, c.text).validate(""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestFieldsAndWords(t *testing.T) {
	c := parsed(t, "{all: [{not: {some: steps, where: [{field: compensable, is: no, says: a}, {field: idempotent, is: no, says: b}]}}, {any: [{sum: [quorum.w, quorum.r], over: quorum.n, says: c}, {field: load.access, is: mixed, says: d}]}]}")
	if got, want := fmt.Sprint(c.Fields()), "[load.access quorum.n quorum.r quorum.w steps[].compensable steps[].idempotent]"; got != want {
		t.Errorf("fields %s, want %s", got, want)
	}
	if got, want := c.Words(), "not: a, and b, and c, or d"; got != want {
		t.Errorf("words %q, want %q", got, want)
	}
	if !slices.IsSorted(c.Fields()) {
		t.Error("fields are not sorted")
	}
}
