package workload

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestDecodeSaysWhere has one mistake each, with the line and column where it is.
func TestDecodeSaysWhere(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"consistency:\n  stron: yes\n", `2:3: consistency.stron: no such field, did you mean "strong"?`},
		{"objectvies:\n  p99: 1 s\n", `1:1: objectvies: no such field, did you mean "objectives"?`},
		{"load:\n  rpo: 0 s\n", `2:3: load.rpo: no such field; "rpo" is known as objectives.rpo`},
		{"consistency:\n  zzzzzzz: yes\n", "2:3: consistency.zzzzzzz: no such field; here are known: available_in_partition"},
		{"consistency:\n  strong: yes\n  strong: no\n", `3:3: consistency: "strong" is said twice, first in line 2`},
		{"operations:\n  - name: buy\n    rate: 0/s\n", "3:11: operations[0].rate: a rate of zero"},
		{"operations:\n  name: buy\n", "2:3: operations: fields where a list is expected"},
		{"consistency:\n  - strong: yes\n", "2:3: consistency: a list where fields are expected"},
		{"consistency:\n  strong: [yes]\n", "2:11: consistency.strong: a list where one value is expected; it is written like: yes"},
		{"- a\n", "1:1: a list where fields are expected"},
		{"just text", "1:1: a value where fields are expected"},
		{"a: &x {b: 1}\nconsistency: *x\n", "2:14: consistency: an alias"},
		{"consistency:\n  <<: {strong: yes}\n", `2:3: consistency: "<<" is no name of a field`},
		{"consistency:\n\tstrong: yes\n", "2:1: not YAML"},
		{"a: b: c\n", "not YAML"},
		{"about: {}\n---\nabout: {}\n", "more than one document"},
		{"about: {name: \xff}\n", "not UTF-8"},
		{"objectives: {p99: 200 s, p999: 300 ms}\n", "1:19: objectives.p99: 200 s is above objectives.p999, which is 300 ms; 99 of 100 requests are never slower than 999 of 1,000: is one of them in the wrong unit?"},
		{"quorum: {n: 3, w: 4}\n", "1:19: quorum.w: 4 is above quorum.n"},
		{"operations: [{share: 70 %}, {share: 40 %}]\n", "1:37: operations[1].share: with it the shares add up to 110 %"},
		{"externals: [{p99: 800 s, timeout: 2 s}]\n", "1:35: externals[0].timeout: 2 s is less than a hundredth"},
		{"scope: {single_machine: yes}\nregions: {count: 3}\n", "2:18: regions.count: 3 regions, and scope.single_machine is yes"},
		{"consistency: {own_data: no, own_data_share: 90 %}\n", "1:25: consistency.own_data: no, and consistency.own_data_share is 90 %"},
		{"load: {write_bottleneck: yes}\nobserved: {bottleneck: reads}\n", "2:24: observed.bottleneck: reads, and load.write_bottleneck is yes"},
		{"scope: {hard_deadline: no, deadline: 5 ms}\n", "1:38: scope.deadline: 5 ms, and scope.hard_deadline is no"},
	} {
		_, err := Decode([]byte(c.doc))
		var bad Problems
		if !errors.As(err, &bad) {
			t.Errorf("%q: %v, want Problems", c.doc, err)
			continue
		}
		found := false
		for _, p := range bad {
			found = found || strings.HasPrefix(p.String(), c.want)
		}
		if !found {
			t.Errorf("%q\n got %v\nwant %s", c.doc, err, c.want)
		}
	}
}

func TestDecodeListsAllProblems(t *testing.T) {
	_, err := Decode([]byte("zz: 1\nobjectives: {p999: quick, p99: 1}\nload: {growth: x}\n"))
	var bad Problems
	if !errors.As(err, &bad) || len(bad) != 4 || bad[0].Line != 1 || bad[3].Line != 3 {
		t.Errorf("got %v", err)
	}
	_, err = Decode([]byte(strings.Repeat("Z: 1\n", 10) + "load: {" + strings.Repeat("x: 1, ", 2*LimitProblems) + "}\n"))
	if !errors.As(err, &bad) || len(bad) != LimitProblems {
		t.Errorf("%d problems, want %d", len(bad), LimitProblems)
	}
}

func TestDecodeUnderstands(t *testing.T) {
	w, err := Decode([]byte("consistency: {strong: true, global_agreement: unknown}\noperations:\n  - {name: buy, rate: 20/s}\n  - rate: 30/s\nreads: []\nresources:\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !w.Get("consistency.strong").Yes() || w.Get("consistency.global_agreement").Known || w.Get("load.access").Known {
		t.Error("yes, unknown and unanswered are mixed up")
	}
	if v := w.Get("operations[1].rate"); v.Amount != 30 || v.Line != 4 || v.Column != 11 {
		t.Errorf("second rate %+v", v)
	}
	for list, want := range map[string]string{"operations": "2 true", "reads": "0 true", "resources": "0 false", "steps": "0 false"} {
		if n, known := w.Count(list); fmt.Sprint(n, known) != want {
			t.Errorf("Count(%s) = %d %t, want %s", list, n, known, want)
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	list := func(n int) []byte { return []byte("operations:\n" + strings.Repeat("  - {}\n", n)) }
	if _, err := Decode(list(LimitElements)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := Decode(list(LimitElements + 1)); err == nil || !strings.Contains(err.Error(), "201 elements, more than 200") {
		t.Errorf("beyond the limit: %v", err)
	}
	text := func(n int) []byte { return []byte("#" + strings.Repeat(" ", n-1)) }
	if _, err := Decode(text(LimitDocument)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := Decode(text(LimitDocument + 1)); err == nil || !strings.Contains(err.Error(), "1048577 bytes, more than 1048576") {
		t.Errorf("beyond the limit: %v", err)
	}
	for _, nothing := range []string{"", "# nothing\n", "{}", "---\n", "null"} {
		if w, err := Decode([]byte(nothing)); err != nil || len(w.Known()) != 0 {
			t.Errorf("%q: %v", nothing, err)
		}
	}
}

// FuzzDecode: any bytes give a workload or problems with something to do, and
// what was read is written and read back the same.
func FuzzDecode(f *testing.F) {
	f.Add(Example())
	f.Add([]byte("consistency: {strong: yes}\noperations: [{name: \"a: #b\", rate: 3/s, share: 5 %}, {}]\nreads: []\n"))
	f.Add([]byte("architecture: {dual_writes: no, stores: [{name: 'unknown'}], locks: []}\n"))
	f.Add([]byte("about: {name: &a [*a]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := Decode(data)
		if err != nil {
			if len(err.Error()) > 1<<20 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, err := Decode(w.YAML())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, w.YAML())
		}
		sameWorkload(t, w, again)
	})
}

func sameWorkload(t *testing.T, a, b *Workload) {
	t.Helper()
	for _, path := range a.Known() {
		if x, y := a.Get(path), b.Get(path); x.Text != y.Text || x.Amount != y.Amount {
			t.Errorf("%s is %q, then %q", path, x.Text, y.Text)
		}
	}
	if x, y := len(a.Known()), len(b.Known()); x != y {
		t.Errorf("%d values, then %d", x, y)
	}
	for list, n := range a.counts {
		if again, known := b.Count(list); again != n || !known {
			t.Errorf("%s has %d elements, then %d", list, n, again)
		}
	}
}
