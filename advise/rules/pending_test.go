package rules

import (
	"fmt"
	"testing"
)

// TestPending: what has fired for one element still asks about the others, and
// what is ruled out asks nothing.
func TestPending(t *testing.T) {
	no := false
	hot := Condition{Some: "operations", Where: []Condition{{Field: "kind", Is: "decide"}, {Field: "idempotent", Is: "no"}}}
	for _, c := range []struct {
		name string
		when []Condition
		say  Said
		want string
	}{
		{"nothing known", []Condition{hot}, nil, "[operations[].idempotent operations[].kind]"},
		{"one of two parts", []Condition{hot}, Said{"operations[0].kind": "decide"}, "[operations[0].idempotent]"},
		{"one element ruled out", []Condition{hot}, Said{"operations[0].kind": "read"}, "[]"},
		{
			"fired for one, open for the other",
			[]Condition{hot},
			Said{"operations[0].kind": "decide", "operations[0].idempotent": "no", "operations[1].kind": "decide"},
			"[operations[1].idempotent]",
		},
		{"no elements", []Condition{hot}, Said{"operations": "none"}, "[]"},
		{"a part refutes", []Condition{hot, {Field: "data.audit", Is: "yes"}}, Said{"data.audit": "no"}, "[]"},
		{"any asks on", []Condition{{Any: []Condition{{Field: "data.audit", Is: "yes"}, {Field: "data.replay", Is: "yes"}}}}, Said{"data.audit": "yes"}, "[data.replay]"},
		{"first does not", []Condition{{First: []Condition{{Field: "data.audit", Is: "yes"}, {Field: "data.replay", Is: "yes"}}}}, Said{"data.audit": "yes"}, "[]"},
		{"not", []Condition{{Not: &Condition{Field: "data.audit", Is: "yes"}}}, nil, "[data.audit]"},
		{"all", []Condition{{All: []Condition{{Field: "data.audit", Is: "yes"}, {Field: "data.replay", Open: &no}}}}, Said{"data.replay": "yes"}, "[data.audit]"},
	} {
		w, err := c.say.Workload()
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint((&Rule{When: c.when}).Pending(w)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestPendingHoldsWhatIsMissing: a rule that is not decided has pending whatever it misses.
func TestPendingHoldsWhatIsMissing(t *testing.T) {
	for _, r := range All() {
		w, err := r.Fires.Workload()
		if err != nil {
			t.Fatal(err)
		}
		for path := range r.Fires {
			if hasFields(path) || w.Set(path, "unknown") != nil {
				continue
			}
		}
		pending := map[string]bool{}
		for _, path := range r.Pending(w) {
			pending[path] = true
		}
		f := r.Eval(w)
		for _, path := range f.Missing {
			if !pending[path] && f.Truth == Unknown {
				t.Errorf("%s misses %s, which is not pending", r.ID, path)
			}
		}
	}
}
