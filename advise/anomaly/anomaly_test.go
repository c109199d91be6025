package anomaly

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestAnomaliesAreWhole: everything is said of each, names are used once, and those
// that follow others follow some that there are.
func TestAnomaliesAreWhole(t *testing.T) {
	names := map[string]string{}
	for _, a := range All() {
		if a.Title == "" || a.Means == "" || a.Wrong == "" || len(a.Words) == 0 || len(a.Prevented) == 0 || len(a.Source) == 0 || len(a.Trace.Steps) < 3 && a.Name != "stale_read" && a.Name != "read_your_writes_violation" {
			t.Errorf("%s is not explained: %+v", a.Name, a)
		}
		for _, name := range slices.Concat([]string{a.Name, a.Title}, a.Also) {
			if owner, ok := names[plain(name)]; ok && owner != a.Name {
				t.Errorf("%s means %s and %s", name, owner, a.Name)
			}
			names[plain(name)] = a.Name
		}
		if !slices.Contains([]Kind{Isolation, Replication, Effect, Coordination}, a.Kind) {
			t.Errorf("%s: kind %q", a.Name, a.Kind)
		}
		for _, f := range a.Follows {
			if _, err := Lookup(f); err != nil {
				t.Error(err)
			}
		}
		if (a.Kind == Isolation) != (len(a.Trace.Setup) > 0) {
			t.Errorf("%s is of kind %s; its setup is %q", a.Name, a.Kind, a.Trace.Setup)
		}
	}
	if a, err := Lookup("P4"); err != nil || a.Name != "lost_update" {
		t.Errorf("P4 is %s, %v", a.Name, err)
	}
	var unknown *UnknownError
	if _, err := Lookup("lost_updat"); !errors.As(err, &unknown) || len(unknown.Known) != len(All()) || !strings.Contains(err.Error(), "lost_update") {
		t.Errorf("%v", err)
	}
}

// registers replays a history of register operations and says which rules of sessions
// and of real time it breaks. It knows a step as over before the next one begins.
func registers(a Anomaly) (broken []string) {
	last, ever := maps.Clone(a.Start), map[string][]int{}
	for name, v := range a.Start {
		ever[name] = []int{v}
	}
	wrote, saw := map[string]map[string]int{}, map[string]map[string]int{}
	needs := map[string]map[string]int{} // what the writer of a register had seen, in registers
	age := func(name string, v int) int { return slices.Index(ever[name], v) }
	session := func(of map[string]map[string]int, by string) map[string]int {
		if of[by] == nil {
			of[by] = map[string]int{}
		}
		return of[by]
	}
	for _, s := range a.Trace.Steps {
		for name, v := range s.Writes {
			ever[name], last[name] = append(ever[name], v), v
			needs[name] = maps.Clone(session(saw, s.By))
			session(wrote, s.By)[name] = v
		}
		for name, v := range s.Reads {
			if v != last[name] {
				broken = append(broken, "stale_read")
			}
			if w, ok := session(wrote, s.By)[name]; ok && age(name, v) < age(name, w) {
				broken = append(broken, "read_your_writes_violation")
			}
			if r, ok := session(saw, s.By)[name]; ok && age(name, v) < age(name, r) {
				broken = append(broken, "non_monotonic_read")
			}
			for seen, w := range session(saw, s.By) { // causes of what this reader has seen
				if cause, ok := needs[seen][name]; ok && w != a.Start[seen] && age(name, v) < age(name, cause) {
					broken = append(broken, "causality_violation")
				}
			}
			session(saw, s.By)[name] = v
		}
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

// TestRegisterHistories: each history of a session breaks the rule that it stands for,
// and the stale read breaks nothing else.
func TestRegisterHistories(t *testing.T) {
	for name, want := range map[string][]string{
		"stale_read": {"stale_read"}, "non_monotonic_read": {"non_monotonic_read", "stale_read"},
		"read_your_writes_violation": {"read_your_writes_violation", "stale_read"},
		"causality_violation":        {"causality_violation", "stale_read"},
		"lost_write":                 {"read_your_writes_violation", "stale_read"},
	} {
		a, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := registers(a); !slices.Equal(got, want) {
			t.Errorf("%s breaks %q, want %q", name, got, want)
		}
	}
}

func TestTraceText(t *testing.T) {
	a, err := Lookup("lost_update")
	if err != nil {
		t.Fatal(err)
	}
	const want = `     T1                T2
  1  reads pieces → 5
  2                    reads pieces → 5
  3  writes 5 - 1
  4  commit
  5                    writes 5 - 1
  6                    commit
  =  pieces → 4
`
	if got := a.Trace.Text(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, a := range All() {
		for line := range strings.Lines(a.Trace.Text()) {
			if utf8.RuneCountInString(line) > 180 {
				t.Errorf("%s: a line of %d", a.Name, utf8.RuneCountInString(line))
			}
		}
	}
}
