package observe

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// TestTopFindsTheHeavy: among any number of names, each that is more than one in
// LimitHot is told, and its count lies within the bounds that are told.
func TestTopFindsTheHeavy(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var found top
	real := map[string]uint64{}
	const total = 100_000
	for range total {
		name := fmt.Sprint("light-", r.IntN(50_000))
		if r.IntN(3) == 0 {
			name = fmt.Sprint("heavy-", r.IntN(5))
		}
		real[name]++
		found.count("g", name, 1)
	}
	list := found.list()
	if len(list) != LimitHot || len(found.at) != LimitHot {
		t.Fatalf("%d names, %d of them found by name", len(list), len(found.at))
	}
	told := map[string]bool{}
	for i, h := range list {
		told[h.Name] = true
		if n := real[h.Name]; h.Count < n || h.Count-h.Over > n {
			t.Errorf("%s was counted %d times, and is told as %d to %d", h.Name, n, h.Count-h.Over, h.Count)
		}
		if i > 0 && h.Count > list[i-1].Count {
			t.Errorf("%d comes after %d", h.Count, list[i-1].Count)
		}
	}
	for name, n := range real {
		if n > total/LimitHot && !told[name] {
			t.Errorf("%s was counted %d times of %d, and is not told", name, n, total)
		}
	}
}

// TestTopFromMany: counts of several goroutines add up.
func TestTopFromMany(t *testing.T) {
	var found top
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 1000 {
				found.count("g", "k", 1)
				found.count("g", fmt.Sprint(i), 1)
			}
		})
	}
	all.Wait()
	if list := found.list(); len(list) != 9 || list[0] != (HotName{Group: "g", Name: "k", Count: 8000}) {
		t.Errorf("%+v", list)
	}
}

// TestSample: one commit in sixteen is counted as sixteen, and of a large one the
// first names.
func TestSample(t *testing.T) {
	var found top
	x := &mainstem.Transaction{Group: "g"}
	for i := range sampledNames + 1 {
		x.Operations = append(x.Operations, mainstem.Delete{Name: fmt.Sprint(i)})
	}
	const commits = 16_000
	for range commits {
		found.sample(x)
	}
	for _, h := range found.list() {
		if h.Name == fmt.Sprint(sampledNames) {
			t.Errorf("name %d of a commit was counted", sampledNames+1)
		}
	}
	found = top{}
	x.Operations = x.Operations[:1]
	for range commits {
		found.sample(x)
	}
	// The deviation is 500; six of them are no accident.
	if list := found.list(); len(list) != 1 || list[0].Count < commits-3000 || list[0].Count > commits+3000 {
		t.Errorf("%d commits are counted as %+v", commits, list)
	}
}

// TestEveryOperationAndCondition: each kind has its name, or none on purpose.
func TestEveryOperationAndCondition(t *testing.T) {
	for want, o := range map[string]mainstem.Operation{
		"put": mainstem.Put{Name: "put"}, "delete": mainstem.Delete{Name: "delete"}, "add": mainstem.Add{Name: "add"},
		"append": mainstem.Append{Stream: "append"}, "acquire": mainstem.Acquire{Lease: "acquire"}, "renew": mainstem.Renew{Lease: "renew"},
		"release": mainstem.Release{Lease: "release"}, "present": mainstem.Present{Lease: "present"},
	} {
		if got := written(o); got != want {
			t.Errorf("%T writes %q, want %q", o, got, want)
		}
	}
	for _, o := range []mainstem.Operation{mainstem.Emit{Topic: "t"}, mainstem.Void{ID: "i"}} {
		if got := written(o); got != "" {
			t.Errorf("%T writes %q to the state", o, got)
		}
	}
	for want, c := range map[string]mainstem.Condition{
		"absent": mainstem.KeyAbsent{Name: "absent"}, "unchanged": mainstem.KeyUnchanged{Name: "unchanged"}, "equals": mainstem.KeyEquals{Name: "equals"},
		"length": mainstem.StreamLength{Stream: "length"}, "range": mainstem.RangeUnchanged{From: "range"},
		"streams": mainstem.StreamsUnchanged{From: "streams"}, "held": mainstem.LeaseHeld{Lease: "held"}, "": mainstem.Committed{ID: "i"},
	} {
		if got := judged(c); got != want {
			t.Errorf("%T looks at %q, want %q", c, got, want)
		}
	}
}

// TestHotNames: of commits that fail, the name that they failed of, and no name of
// Mainstem's own groups.
func TestHotNames(t *testing.T) {
	o := New()
	x := func(group string) *mainstem.Transaction {
		return &mainstem.Transaction{
			Group:      group,
			Conditions: []mainstem.Condition{mainstem.KeyAbsent{Name: "c"}},
			Operations: []mainstem.Operation{mainstem.Acquire{Lease: "l"}},
		}
	}
	fail := func(code mainstem.Code, condition int) error {
		e := mainstem.Errorf(code, "no")
		e.Condition = condition
		return e
	}
	o.hot(x("g"), fail(mainstem.Exists, 1))
	o.hot(x("g"), fail(mainstem.Held, 2))
	o.hot(x("g"), fail(mainstem.Held, 2))
	o.hot(x("g"), fail(mainstem.Held, 3))     // nothing of the transaction's
	o.hot(x("g"), fail(mainstem.TooLarge, 1)) // nobody else's doing
	o.hot(x("g"), fail(mainstem.Conflict, 0))
	o.hot(x("~follow/f/00"), fail(mainstem.Exists, 1))
	for range 1000 {
		o.hot(x("~follow/f/00"), nil)
	}
	got := o.HotNames()
	if len(got.Written) != 0 || len(got.Contended) != 2 || got.Contended[0] != (HotName{"g", "l", 2, 0}) || got.Contended[1] != (HotName{"g", "c", 1, 0}) {
		t.Errorf("%+v", got)
	}
	for range 1000 {
		o.hot(x("g"), nil)
	}
	if got := o.HotNames().Written; len(got) != 1 || got[0].Name != "l" || !strings.HasPrefix(got[0].Group, "g") {
		t.Errorf("%+v", got)
	}
}
