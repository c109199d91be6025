package ask_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise/ask"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// until answers nothing until a path is asked.
func until(t *testing.T, i *ask.Interview, path string) {
	t.Helper()
	for q, more := i.Next(); more; q, more = i.Next() {
		if q.Path == path {
			return
		}
		answer := ""
		if q.About != ask.Field && strings.HasPrefix(path, q.Path) && !strings.Contains(q.Ask, "besides") {
			answer = "yes"
		}
		if err := i.Answer(answer); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%s is never asked", path)
}

func TestAnswersAreRead(t *testing.T) {
	for _, c := range []struct{ path, answer, want string }{
		{"consistency.strong", "y", "yes"},
		{"consistency.strong", " N ", "no"},
		{"consistency.strong", "true", "yes"},
		{"consistency.strong", "?", "unknown"},
		{"consistency.strong", "", "unknown"},
		{"load.access", "2", "write_heavy"},
		{"load.access", "mixed", "mixed"},
		{"objectives.rpo", "5 m", "5 m"},
		{"observed.p99", "120ms", "120ms"},
		{"architecture.stores[0].isolation", "2", "read_committed"},
		{"about.name", "2", "2"},
		{"about.name", "y", "y"},
	} {
		i := ask.Begin(new(workload.Workload))
		until(t, i, c.path)
		if err := i.Try(c.answer); err != nil || i.Workload().Said(c.path) {
			t.Errorf("%s, tried with %q: %v, or it is taken", c.path, c.answer, err)
		}
		if err := i.Answer(c.answer); err != nil {
			t.Errorf("%s %q: %v", c.path, c.answer, err)
			continue
		}
		if got := i.Workload().Get(c.path).String(); got != c.want {
			t.Errorf("%s %q is read as %q, want %q", c.path, c.answer, got, c.want)
		}
	}
}

// TestWrongAnswersAreTold with the decoder's own words, and leave the question open.
func TestWrongAnswersAreTold(t *testing.T) {
	for _, c := range []struct{ path, answer, want string }{
		{"consistency.strong", "maybe", "neither yes nor no"},
		{"objectives.p99", "2 secs", `did you mean "s"?`},
		{"objectives.p99", "150", "has no unit"},
		{"observed.cache_hit_rate", "120 %", "more than all of it"},
		{"load.access", "4", "is none of its values"},
		{"load.access", "read_hevy", `did you mean "read_heavy"?`},
		{"operations", "some", "neither yes nor no"},
		{"practice", "5", "neither yes nor no"},
		{"about.name", "a\tb", "one line"},
	} {
		i := ask.Begin(new(workload.Workload))
		until(t, i, c.path)
		before := string(i.Workload().YAML())
		if err := i.Try(c.answer); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, tried with %q: %v, want %q", c.path, c.answer, err, c.want)
		}
		if err := i.Answer(c.answer); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %q", c.path, c.answer, err, c.want)
		}
		if q, _ := i.Next(); q.Path != c.path || string(i.Workload().YAML()) != before {
			t.Errorf("%s: after a wrong answer %s is asked, or something has changed", c.path, q.Path)
		}
	}
}

// TestContradictionsAreTold: an answer that contradicts another figure is not taken.
func TestContradictionsAreTold(t *testing.T) {
	i := ask.Begin(new(workload.Workload))
	for _, s := range [][2]string{{"objectives.p999", "300 ms"}, {"scope.single_machine", "yes"}} {
		if err := i.Set(s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{"objectives.p99": "2 s", "regions.count": "3", "objectives.p98": "1 s"} {
		if err := i.Set(path, text); err == nil || i.Workload().Said(path) {
			t.Errorf("%s: %s is taken", path, text)
		}
	}
	if err := i.Set("objectives.p99", "200 ms"); err != nil {
		t.Error(err)
	}
}

func TestSkipPassesTheSection(t *testing.T) {
	for path, gone := range map[string]string{
		"consistency.strong": "consistency.", "operations": "operations", "operations[0].name": "operations", "observed": "observed", "architecture": "architecture",
		"architecture.reads_then_writes": "architecture.reads_then_writes",
	} {
		i := ask.Begin(new(workload.Workload))
		until(t, i, path)
		if err := i.Skip(); err != nil {
			t.Fatal(err)
		}
		for q, more := i.Next(); more; q, more = i.Next() {
			if strings.HasPrefix(q.Path, gone) {
				t.Errorf("%s is skipped, and %s asked", path, q.Path)
			}
			if err := i.Skip(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// FuzzInterview: whatever is answered, it does not panic, what was said is a
// description that can be read back, and going back is always possible.
func FuzzInterview(f *testing.F) {
	f.Add(uint64(1), "yes\nno\n\n200/s\nback\nskip\n3\n150 ms")
	f.Add(uint64(2), "\x00\n: {\n- x\n\"\n'\nunknown\n#\n|\n&a\n*a\n!!str\n")
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		words := append(strings.Split(text, "\n"), "yes", "no", "", "1", "2", "100 ms", "5/s", "3 GiB", "50 %", "skip", "back")
		chance := rand.New(rand.NewPCG(seed, 0))
		i := ask.Begin(new(workload.Workload))
		for range 120 {
			q, more := i.Next()
			if !more {
				break
			}
			switch word := words[chance.IntN(len(words))]; word {
			case "back":
				i.Back()
			case "skip":
				_ = i.Skip() // ErrDone is looked for above
			default:
				if err := i.Answer(word); err != nil && err.Error() == "" {
					t.Fatalf("%s: an error without words", q.Path)
				}
			}
		}
		w, err := workload.Decode(i.Workload().YAML())
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, i.Workload().YAML())
		}
		if got, want := string(w.YAML()), string(i.Workload().YAML()); got != want {
			t.Fatalf("seed %d: read back as\n%s\nnot\n%s", seed, got, want)
		}
	})
}
