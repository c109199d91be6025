package workload

import (
	"bytes"
	"strings"
	"testing"
)

// TestAmendLeavesTheRest has each layout that people write.
func TestAmendLeavesTheRest(t *testing.T) {
	for _, c := range []struct{ path, value, before, after string }{
		{"observed.p99", "5 ms", "", "observed:\n  p99: 5 ms\n"},
		{"observed.p99", "5 ms", "# nothing", "# nothing\nobserved:\n  p99: 5 ms\n"},
		{"observed.p99", "5 ms", "about: {name: x}\n", "about: {name: x}\nobserved:\n  p99: 5 ms\n"},
		{"observed.p99", "5 ms", "observed:\n  p99: 3 ms # measured in May\n", "observed:\n  p99: 5 ms # measured in May\n"},
		{"observed.p99", "5 ms", "observed:\n  p99: \"3 ms\"\n", "observed:\n  p99: 5 ms\n"},
		{"observed.p99", "5 ms", "observed:\n  p99: '3 ms'\n", "observed:\n  p99: 5 ms\n"},
		{"observed.p99", "5 ms", "observed:\n  p99:\n  p999: 9 ms\n", "observed:\n  p99: 5 ms\n  p999: 9 ms\n"},
		{"observed.p99", "5 ms", "observed:\n  p99: unknown\n", "observed:\n  p99: 5 ms\n"},
		{"observed.p99", "5 ms", "observed:\n  # of all requests\n  p999: 9 ms", "observed:\n  p99: 5 ms\n  # of all requests\n  p999: 9 ms"},
		{"observed.p99", "5 ms", "observed:\n  # p99: 1 ms\n", "observed:\n  p99: 5 ms\n  # p99: 1 ms\n"},
		{"observed.p99", "5 ms", "observed: {p999: 9 ms}\n", "observed: {p99: 5 ms, p999: 9 ms}\n"},
		{"observed.p99", "5 ms", "observed: {}\n", "observed: {p99: 5 ms}\n"},
		{"observed.p99", "5 ms", "observed: null\n", "observed: {p99: 5 ms}\n"},
		{"observed.p99", "5 ms", "{observed: {p99: 3 ms, p999: 9 ms}}", "{observed: {p99: 5 ms, p999: 9 ms}}"},
		{"observed.p99", "5 ms", "{about: {name: é}}", "{observed: {p99: 5 ms}, about: {name: é}}"},
		{"observed.p99", "5 ms", "about: {name: é}\nobserved: {p999: 9 ms, p99: 1 ms}", "about: {name: é}\nobserved: {p999: 9 ms, p99: 5 ms}"},
		{"externals[1].p99", "5 ms", "externals:\n  - name: a\n  - name: b\n    timeout: 1 s\n", "externals:\n  - name: a\n  - name: b\n    p99: 5 ms\n    timeout: 1 s\n"},
		{"externals[0].p99", "5 ms", "externals: [{name: a}]\n", "externals: [{p99: 5 ms, name: a}]\n"},
		{"architecture.stores[0].engine", "mysql", "architecture:\n  stores:\n    - {name: a}\n", "architecture:\n  stores:\n    - {engine: mysql, name: a}\n"},
		{"architecture.dual_writes", "no", "architecture:\n  stores: []\n", "architecture:\n  dual_writes: no\n  stores: []\n"},
	} {
		got, err := Amend([]byte(c.before), c.path, c.value)
		if err != nil || string(got) != c.after {
			t.Errorf("%s into %q:\n got %q, %v\nwant %q", c.path, c.before, got, err, c.after)
		}
	}
}

func TestAmendKeepsEveryComment(t *testing.T) {
	got, err := Amend(Example(), "observed.p99", "5 ms")
	if err != nil {
		t.Fatal(err)
	}
	if without := bytes.Replace(got, []byte("  p99: 5 ms\n"), nil, 1); !bytes.Equal(without, Example()) {
		t.Error("more has changed than one line")
	}
}

func TestAmendRefuses(t *testing.T) {
	for _, c := range []struct{ path, value, text, want string }{
		{"observed.p98", "5 ms", "", `did you mean "observed.p99"?`},
		{"observed.p99", "5", "", "has no unit"},
		{"observed.p99", "5 s", "observed: {p999: 1 s}", "is above observed.p999"},
		{"externals[0].p99", "5 ms", "", "no place for it"},
		{"externals[0].p99", "5 ms", "externals: []", "no place for it"},
		{"externals[1].p99", "5 ms", "externals: [{name: a}]", "no place for it"},
		{"observed.p99", "5 ms", "obsrved: {}", "no such field"},
		{"about.name", "x", "about:\n  name: \"a\\\n    b\"\n", "no place for it"},
	} {
		if got, err := Amend([]byte(c.text), c.path, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s into %q: %q, %v; want %q", c.path, c.value, c.text, got, err, c.want)
		}
	}
}

// FuzzAmend: what comes out says what was said, and the one value.
func FuzzAmend(f *testing.F) {
	f.Add([]byte("observed:\n  p99: 3 ms\n"))
	f.Add([]byte("externals: [{name: a}]\nobserved: {}\n"))
	f.Add(Example())
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := Decode(text)
		if err != nil || w.Set("observed.p99", "5 ms") != nil {
			return
		}
		got, err := Amend(text, "observed.p99", "5 ms")
		if err != nil {
			return
		}
		after, err := Decode(got)
		if err != nil || !bytes.Equal(after.YAML(), w.YAML()) {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
	})
}
