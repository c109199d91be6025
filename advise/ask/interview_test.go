package ask_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/ask"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// worked are the worked workloads, by name.
func worked(t *testing.T) map[string]*workload.Workload {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "workloads", "*.yaml"))
	if err != nil || len(files) < 14 {
		t.Fatalf("%d workloads: %v", len(files), err)
	}
	all := map[string]*workload.Workload{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if all[strings.TrimSuffix(filepath.Base(f), ".yaml")], err = workload.Decode(text); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// from is what somebody answers who knows a workload.
func from(w *workload.Workload, q ask.Question) string {
	n, known := 0, false
	switch q.About {
	case ask.Field:
		return w.Get(q.Path).String()
	case ask.Element:
		if n, known = w.Count(q.Path); !known {
			return "unknown"
		}
		so := 0 // the number that is told is what counts
		if _, told, many := strings.Cut(q.Ask, "besides these "); many {
			_, _ = fmt.Sscanf(told, "%d", &so) // none is seen below: it does not end
		} else if strings.HasSuffix(q.Ask, "besides this one?") {
			so = 1
		}
		if n > so {
			return "yes"
		}
		return "no"
	case ask.Part:
		for _, path := range w.Known() {
			if strings.HasPrefix(path, q.Path+".") {
				return "yes"
			}
		}
	}
	return "unknown"
}

func answered(t *testing.T, i *ask.Interview, w *workload.Workload) (asked []ask.Question) {
	t.Helper()
	for q, more := i.Next(); more; q, more = i.Next() {
		if err := i.Answer(from(w, q)); err != nil {
			t.Fatalf("%s: %v", q.Path, err)
		}
		if asked = append(asked, q); len(asked) > 2000 {
			t.Fatal("it does not end")
		}
	}
	return asked
}

// decided is what an answer decides, with its confidence.
func decided(w *workload.Workload) (all []string) {
	a := advise.Advise(w)
	for _, t := range a.TurnedAway {
		all = append(all, t.Rule+" "+t.Nevertheless)
	}
	for _, c := range a.Contradictions {
		all = append(all, c.Rule)
	}
	for _, d := range a.Decisions {
		all = append(all, fmt.Sprint(d.Rule, d.Confidence, d.For))
	}
	for _, e := range a.Exposures {
		all = append(all, fmt.Sprint(e.Rule, e.For, e.Fixes))
	}
	for _, g := range a.Gates {
		all = append(all, g.Rule+" "+g.State)
	}
	return all
}

// TestWorkedWorkloads: whoever knows one of the worked workloads and is asked
// gets the very answer that its file gets, from fewer fields.
func TestWorkedWorkloads(t *testing.T) {
	t.Parallel()
	for name, w := range worked(t) {
		i := ask.Begin(new(workload.Workload))
		asked := answered(t, i, w)
		got, want := decided(i.Workload()), decided(w)
		if !slices.Equal(got, want) {
			t.Errorf("%s, after %d questions, decides\n%s\nnot\n%s", name, len(asked), strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		t.Logf("%s: %d questions; the file says %d things", name, len(asked), len(w.Known()))
	}
}

// reads is true of a rule that has the field in its conditions, or beside them.
func reads(r *rules.Rule, path string) bool {
	fields := slices.Concat(r.Fields(), r.InformedBy, []string{r.Field})
	for _, c := range []*rules.Condition{r.About, r.NeverthelessIf} {
		if c != nil {
			fields = append(fields, c.Fields()...)
		}
	}
	for _, f := range r.Fixes {
		if f.Done != nil {
			fields = append(fields, f.Done.Fields()...)
		}
	}
	return slices.Contains(fields, workload.Generic(path))
}

// TestAsksWhatSomeRuleReads: at each question some rule that has not been ruled
// out reads the field; and at the end no rule waits for a field that was never
// asked.
func TestAsksWhatSomeRuleReads(t *testing.T) {
	t.Parallel()
	for name, w := range worked(t) {
		i := ask.Begin(new(workload.Workload))
		asked := map[string]bool{}
		for q, more := i.Next(); more; q, more = i.Next() {
			asked[q.Path] = true
			named := strings.HasPrefix(q.Path, "about.") || strings.HasSuffix(q.Path, ".name") || strings.HasPrefix(q.Path, "never[")
			so := i.Workload()
			waits := slices.ContainsFunc(rules.All(), func(r rules.Rule) bool {
				return reads(&r, q.Path) && r.Eval(so).Truth != rules.False
			})
			if q.About == ask.Field && !named && !waits {
				t.Errorf("%s: %s is asked, and no rule that can still fire reads it", name, q.Path)
			}
			if err := i.Answer(from(w, q)); err != nil {
				t.Fatal(err)
			}
		}
		end := i.Workload()
		if len(advise.Advise(end).TurnedAway) > 0 {
			continue
		}
		for _, r := range rules.All() {
			f := r.Eval(end)
			if f.Truth != rules.Unknown {
				continue
			}
			for _, path := range f.Missing {
				list, _, _ := strings.Cut(path, "[].")
				part, _, _ := strings.Cut(path, ".")
				if field, _ := workload.Lookup(path); !end.Said(path) && !asked[list] && !asked[part] && field.If == nil {
					t.Errorf("%s: %s waits for %s, which nobody was asked for", name, r.ID, path)
				}
			}
		}
	}
}

// TestAdapts has answers and the questions that they make pointless.
func TestAdapts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		say     map[string]string
		without []string
		with    []string
	}{
		{"nothing said", nil, []string{"consistency.conflict_rule"}, []string{"consistency.own_data_share", "resources", "load.partitionable"}},
		{"an answer makes a figure pointless", map[string]string{"consistency.own_data": "yes"}, []string{"consistency.own_data_share"}, []string{"consistency.read_your_writes"}},
		{"no deadline", map[string]string{"scope.hard_deadline": "no"}, []string{"scope.deadline"}, nil},
		{"nothing takes turns", map[string]string{"failure.exclusive_resource": "no", "failure.pauses_possible": "no"}, []string{"resources"}, nil},
		{"no merge", map[string]string{"consistency.conflicts_resolvable": "no"}, []string{"consistency.conflict_rule"}, nil},
		{"a merge", map[string]string{"consistency.conflicts_resolvable": "yes"}, nil, []string{"consistency.conflict_rule"}},
		{"beyond a boundary", map[string]string{"scope.computation_bound": "yes"}, []string{"scope.single_machine", "consistency.strong", "operations", "observed", "practice"}, nil},
		{
			"beyond one with a way back",
			map[string]string{"scope.single_machine": "yes", "scope.survive_machine_loss": "no", "scope.outgrows_machine": "no"},
			[]string{"consistency.strong"},
			[]string{"scope.effects_with_data"},
		},
	} {
		w := new(workload.Workload)
		for path, text := range c.say {
			if err := w.Set(path, text); err != nil {
				t.Fatal(err)
			}
		}
		i, asked := ask.Begin(w), map[string][]string{}
		for q, more := i.Next(); more; q, more = i.Next() {
			asked[q.Path] = append(q.Rules, q.Path)
			if err := i.Answer(""); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range c.without {
			if asked[path] != nil {
				t.Errorf("%s: %s is asked, for %v", c.name, path, asked[path])
			}
		}
		for _, path := range c.with {
			if asked[path] == nil {
				t.Errorf("%s: %s is not asked", c.name, path)
			}
		}
	}
}

// TestBoundariesComeFirst: who is in the wrong place hears it before anything else.
func TestBoundariesComeFirst(t *testing.T) {
	i := ask.Begin(new(workload.Workload))
	for range 2 { // what the system is called
		if err := i.Answer(""); err != nil {
			t.Fatal(err)
		}
	}
	for q, more := i.Next(); more && strings.HasPrefix(q.Path, "scope."); q, more = i.Next() {
		if err := i.Answer("no"); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range rules.All() {
		if w := i.Workload(); r.Kind == rules.Boundary && r.Eval(w).Truth == rules.Unknown {
			t.Errorf("%s is open, and something else is asked", r.ID)
		}
	}
}

// TestBackTakesEveryAnswerBack: step by step, to the first question.
func TestBackTakesEveryAnswerBack(t *testing.T) {
	t.Parallel()
	w := worked(t)["ledger"]
	i := ask.Begin(new(workload.Workload))
	var before []string
	look := func() string {
		q, more := i.Next()
		return fmt.Sprint(more, q, string(i.Workload().YAML()))
	}
	for q, more := i.Next(); more; q, more = i.Next() {
		before = append(before, look())
		if err := i.Answer(from(w, q)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range slices.Backward(before) {
		if !i.Back() {
			t.Fatal("there is nothing to take back")
		}
		if got := look(); got != want {
			t.Fatalf("after going back\n%s\nnot\n%s", got, want)
		}
	}
	if i.Back() {
		t.Error("it goes back beyond the first question")
	}
}

// TestResume: stopped anywhere, written, read and gone on with, it comes to the same.
func TestResume(t *testing.T) {
	t.Parallel()
	w := worked(t)["payments"]
	whole := ask.Begin(new(workload.Workload))
	total := len(answered(t, whole, w))
	want := decided(whole.Workload())
	for stop := range total {
		if stop%16 != 0 && stop > 4 {
			continue
		}
		first := ask.Begin(new(workload.Workload))
		for range stop {
			q, _ := first.Next()
			if err := first.Answer(from(w, q)); err != nil {
				t.Fatal(err)
			}
		}
		half, err := workload.Decode(first.Workload().YAML())
		if err != nil {
			t.Fatalf("after %d answers: %v", stop, err)
		}
		second := ask.Begin(half)
		for _, q := range answered(t, second, w) {
			if q.About == ask.Field && half.Said(q.Path) {
				t.Errorf("after %d answers, %s is asked again", stop, q.Path)
			}
		}
		if got := decided(second.Workload()); !slices.Equal(got, want) {
			t.Errorf("stopped after %d answers it decides\n%s\nnot\n%s", stop, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestQuestionsAreWhole(t *testing.T) {
	i := ask.Begin(new(workload.Workload))
	for q, more := i.Next(); more; q, more = i.Next() {
		if q.Section == "" || !strings.HasSuffix(q.Ask, "?") || q.Why == "" || q.Costs == "" || q.Kind == "" {
			t.Errorf("%+v", q)
		}
		answer := "yes"
		if q.About == ask.Field || strings.Contains(q.Ask, "besides") {
			answer = ""
		}
		if err := i.Answer(answer); err != nil {
			t.Fatal(err)
		}
	}
	if i.Answer("yes") != ask.ErrDone || i.Skip() != ask.ErrDone {
		t.Error("an answer without a question is taken")
	}
}
