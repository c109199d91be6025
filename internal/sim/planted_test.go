package sim

import (
	"context"
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// planted is a model with one fault in it. A simulation that cannot find the
// fault is worthless.
type planted struct {
	*Model
	db *mainstem.DB
}

func (p *planted) DB() *mainstem.DB { return p.db }

// bent changes what passes between the runner and the model.
type bent struct {
	mainstem.Backend
	commit func(*mainstem.Transaction)
	answer func(*mainstem.Receipt)
	view   func(*mainstem.ViewRequest)
	batch  func(*mainstem.Batch)
}

func (b bent) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	changed := *t
	if b.commit != nil {
		b.commit(&changed)
	}
	r, err := b.Backend.Commit(ctx, &changed)
	if b.answer != nil && err == nil {
		b.answer(r)
	}
	return r, err
}

func (b bent) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if b.view != nil {
		b.view(&r)
	}
	return b.Backend.View(ctx, r)
}

func (b bent) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		for batch, err := range b.Backend.Changes(ctx, from) {
			if b.batch != nil {
				b.batch(&batch)
			}
			if !yield(batch, err) {
				return
			}
		}
	}
}

// without removes the conditions of one type.
func without[C mainstem.Condition](t *mainstem.Transaction) {
	t.Conditions = append([]mainstem.Condition{}, t.Conditions...)
	for i, c := range t.Conditions {
		if _, is := c.(C); is {
			t.Conditions[i] = mainstem.KeyUnchanged{Name: "never-written"}
		}
	}
}

// withAll changes every operation of one type.
func withAll[O mainstem.Operation](change func(O) mainstem.Operation) func(*mainstem.Transaction) {
	return func(t *mainstem.Transaction) {
		t.Operations = append([]mainstem.Operation{}, t.Operations...)
		for i, o := range t.Operations {
			if o, is := o.(O); is {
				t.Operations[i] = change(o)
			}
		}
	}
}

var faults = map[string]bent{
	"key absent not judged":        {commit: without[mainstem.KeyAbsent]},
	"key unchanged not judged":     {commit: without[mainstem.KeyUnchanged]},
	"key equals not judged":        {commit: without[mainstem.KeyEquals]},
	"stream length not judged":     {commit: without[mainstem.StreamLength]},
	"range unchanged not judged":   {commit: without[mainstem.RangeUnchanged]},
	"streams unchanged not judged": {commit: without[mainstem.StreamsUnchanged]},
	"lease held not judged":        {commit: without[mainstem.LeaseHeld]},
	"committed not judged":         {commit: without[mainstem.Committed]},
	"IDs forgotten":                {commit: func(t *mainstem.Transaction) { t.ID = mainstem.ID{} }},
	"refusals not recorded":        {commit: func(t *mainstem.Transaction) { t.Networked = false }},
	"deadline not judged":          {commit: func(t *mainstem.Transaction) { t.Deadline = 0 }},
	"reply lost":                   {answer: func(r *mainstem.Receipt) { r.Reply = nil }},
	"replayed not said":            {answer: func(r *mainstem.Receipt) { r.Replayed = false }},
	"another receipt on retry": {answer: func(r *mainstem.Receipt) {
		if r.Replayed {
			r.Age++
		}
	}},
	"floor ignored": {commit: withAll(func(o mainstem.Add) mainstem.Operation { o.Floor = nil; return o })},
	"TTL ignored":   {commit: withAll(func(o mainstem.Put) mainstem.Operation { o.TTL = 0; return o })},
	"void does nothing": {commit: withAll(func(o mainstem.Void) mainstem.Operation {
		return mainstem.Emit{Topic: o.ID, Event: mainstem.Event{Type: "t"}}
	})},
	"renew does nothing": {commit: withAll(func(o mainstem.Renew) mainstem.Operation {
		return mainstem.Emit{Topic: o.Lease, Event: mainstem.Event{Type: "t"}}
	})},
	"AsOf answers the newest": {view: func(r *mainstem.ViewRequest) {
		if r.At.Level == mainstem.LevelAsOf {
			r.At = mainstem.Latest()
		}
	}},
	"the feed lacks effects": {batch: func(b *mainstem.Batch) {
		for i := range b.Changes {
			b.Changes[i].Effects = nil
		}
	}},
	"the feed repeats": {batch: func(b *mainstem.Batch) { b.Changes = append(b.Changes, b.Changes[0]) }},
}

func TestEveryPlantedFaultIsFound(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			diverges := func(list List) bool {
				return Difference(Run(t.Context(), NewModel(), list), Run(t.Context(), plant(fault), list)) != ""
			}
			for seed := range uint64(300) {
				if list := Generate(Rand(seed), 60); diverges(list) {
					short := Shrink(list, 300, diverges)
					if len(short) > 12 {
						t.Errorf("found by seed %d, but shrunk to %d operations only:\n%s", seed, len(short), short)
					}
					return
				}
			}
			t.Error("not found in 300 seeds")
		})
	}
}

func plant(fault bent) *planted {
	m := NewModel()
	fault.Backend = m.backend
	return &planted{Model: m, db: mainstem.New(fault)}
}

// TestListsReachEverything holds the generator to its purpose: every kind of
// answer must come up, or a comparison of answers compares nothing.
func TestListsReachEverything(t *testing.T) {
	want := []string{
		"conflict (condition 1)", "exists (", "held (", "fenced (", "out_of_range (", "invalid (", "cancelled", "too_old", "wrong_group",
		"refused", "replayed from", "token #", " for ", "released true", "committed [", "and more", "feed a:", "stream s1",
	}
	var all strings.Builder
	Rounds(t, 60, func(t *testing.T, seed uint64) {
		list := Generate(Rand(seed), 60)
		lines := Run(t.Context(), NewModel(), list)
		if Difference(lines, Run(t.Context(), NewModel(), list)) != "" {
			t.Error("the model answers one list in two ways")
		}
		for _, l := range lines {
			if strings.Contains(l, "WRONG") {
				t.Errorf("%s\nin\n%s", l, list)
			}
			all.WriteString(l)
			all.WriteByte('\n')
		}
	})
	if os.Getenv("MAINSTEM_SEED") != "" || Scaled(t, 60) < 60 {
		return // a few lists reach what they reach
	}
	for _, w := range want {
		if !strings.Contains(all.String(), w) {
			t.Errorf("no list brought about %q", w)
		}
	}
}
