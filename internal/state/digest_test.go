package state

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
)

// past is every value that keys ever had, by position: what a reader of the
// past must find, or be told that it is trimmed.
type past struct {
	*world
	was map[mainstem.Position]map[string]string // at a position: "group/name" -> value
	now map[string]string
	// versions are the positions at which a key changed, newest first.
	versions map[string][]mainstem.Position
	archived mainstem.Position
}

// archive does to the rows what a store does when it writes them to tables.
func (p *past) archive(t *rapid.T) {
	p.rows.archive(p.archived, p.tail.Last)
	p.replay.archive(p.archived, p.tail.Last)
	p.archived = p.tail.Last
	p.look(t)
}

func (p *past) write1(t *rapid.T) {
	age := p.tail.Age + mainstem.LogAge(rapid.Int64Range(0, int64(8*time.Minute)).Draw(t, "passed"))
	group, key := rapid.SampledFrom([]string{"g", "kept", "kept-2"}).Draw(t, "group"), rapid.SampledFrom([]string{"a", "a/b", "b"}).Draw(t, "key")
	value := fmt.Sprint("v", p.tail.Last+1)
	var o mainstem.Operation = mainstem.Put{Name: key, Value: mainstem.Bytes([]byte(value))}
	_, there := p.now[group+"/"+key]
	changed := true
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		o = mainstem.Delete{Name: key}
		delete(p.now, group+"/"+key)
		changed = there
	} else {
		p.now[group+"/"+key] = value
	}
	p.commit(time.Duration(age), group, o)
	if changed {
		p.versions[group+"/"+key] = append([]mainstem.Position{p.tail.Last}, p.versions[group+"/"+key]...)
	}
	p.was[p.tail.Last] = maps.Clone(p.now)
}

// collect writes a checkpoint, which moves the horizons, and sweeps.
func (p *past) collect(t *rapid.T) {
	h := p.header(p.tail.Age)
	h.Checkpoint = &record.Checkpoint{}
	p.write(h, 0, nil)
	horizons := fmt.Sprint(p.tail.Horizons)
	if _, err := p.sweep(); err != nil {
		t.Fatal(err)
	}
	if again, err := p.sweep(); err != nil || again != "nothing is dead\n" {
		t.Fatalf("a second sweep with horizons %s still found\n%s%v", horizons, again, err)
	}
	p.look(t)
}

// look compares every position of the past.
func (p *past) look(t *rapid.T) {
	for at, was := range p.was {
		r := &Reading{Rows: p.rows, Tail: p.tail, At: at}
		for _, group := range []string{"g", "kept", "kept-2"} {
			for _, key := range []string{"a", "a/b", "b"} {
				a, err := r.Answer(mainstem.Query{Kind: mainstem.QueryGet, Group: group, Name: key})
				horizon := p.tail.horizon(group, key)
				if trimmed := mainstem.CodeOf(err) == mainstem.Trimmed; trimmed != (at < horizon) || err != nil && !trimmed {
					t.Fatalf("%s/%s at %s with horizon %s: %v", group, key, at, horizon, err)
				}
				if err != nil {
					continue
				}
				got, there := "", len(a.Versions) > 0
				if there {
					got = string(a.Versions[0].Value.Bytes)
				}
				if want, was := was[group+"/"+key]; got != want || there != was {
					t.Fatalf("%s/%s at %s is %q, %t; it was %q, %t", group, key, at, got, there, want, was)
				}
			}
		}
	}
}

// lookBack compares the versions of every key before some position, and what a
// range held then.
func (p *past) lookBack(t *rapid.T) {
	at := mainstem.Position(rapid.Uint64Range(1, uint64(p.tail.Last)).Draw(t, "at"))
	r := &Reading{Rows: p.rows, Tail: p.tail, At: at}
	for _, group := range []string{"g", "kept", "kept-2"} {
		held := map[string]string{}
		for _, key := range []string{"a", "a/b", "b"} {
			if value, there := p.was[at][group+"/"+key]; there {
				held[key] = value
			}
			horizon := p.tail.horizon(group, key)
			if at < horizon {
				continue
			}
			var want []mainstem.Position
			for _, v := range p.versions[group+"/"+key] {
				if v <= at {
					want = append(want, v)
				}
				if v <= min(at, horizon) {
					break
				}
			}
			a, err := r.Answer(mainstem.Query{Kind: mainstem.QueryHistory, Group: group, Name: key})
			var got []mainstem.Position
			for _, v := range a.Versions {
				got = append(got, v.Position)
			}
			// A deletion at or before the horizon says the same as nothing.
			if n := len(want); len(got) == n-1 && n > 0 && want[n-1] <= horizon {
				want = want[:n-1]
			}
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("history of %s/%s before %s, horizon %s: %v, %v; it was %v", group, key, at, horizon, got, err, want)
			}
		}
		if _, known := p.was[at]; !known || at < p.tail.HorizonOf(group, "", "") {
			continue
		}
		a, err := r.Answer(mainstem.Query{Kind: mainstem.QueryScan, Group: group})
		got := map[string]string{}
		for _, v := range a.Versions {
			got[v.Name] = string(v.Value.Bytes)
		}
		if err != nil || !maps.Equal(got, held) {
			t.Fatalf("group %s at %s: %v, %v; it was %v", group, at, got, err, held)
		}
	}
}

// young reports whether everything that the rules still promise can be read.
func (p *past) young(t *rapid.T) {
	for i, horizon := range p.tail.Horizons {
		keep := DefaultHistory
		if i > 0 {
			keep = time.Duration(p.tail.Settings.History[i-1].Age)
		}
		place, ok, err := PlaceOf(p.rows, horizon)
		if err != nil {
			t.Fatal(err)
		}
		if ok && p.tail.Age.Sub(place.Age) <= keep {
			t.Fatalf("rule %d keeps %s of history; at age %s its horizon is position %s of age %s", i, keep, p.tail.Age, horizon, place.Age)
		}
	}
}

// TestGarbageIsOnlyWhatNobodyMayAskFor: whatever was collected, every position
// from a key's horizon on reads as it was, and everything before says Trimmed.
func TestGarbageIsOnlyWhatNobodyMayAskFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &past{world: newWorld(t), was: map[mainstem.Position]map[string]string{}, now: map[string]string{}, versions: map[string][]mainstem.Position{}}
		h := p.header(0)
		h.Settings = &record.Settings{IDAge: int64(24 * time.Hour), History: []record.Keep{
			{Group: "kept", Age: int64(time.Hour)}, {Group: "kept", Prefix: "a/", Age: int64(20 * time.Minute)},
		}}
		p.world.write(h, 0, nil)
		t.Repeat(map[string]func(*rapid.T){
			"":        p.young,
			"write":   p.write1,
			"write 2": p.write1,
			"write 3": p.write1,
			"collect": p.collect,
			"archive": p.archive,
			"back": func(t *rapid.T) {
				if p.tail.Last > 0 {
					p.lookBack(t)
				}
			},
		})
	})
}

// TestDigestsTellStatesApart: of everything that is alive each single changed,
// missing or added row changes the digest of exactly one range; what differs by
// collected garbage and by remembered IDs does not.
func TestDigestsTellStatesApart(t *testing.T) {
	w := newWorld(t)
	w.commit(time.Second, "g", mainstem.Put{Name: "k", Value: mainstem.Int(1)}, mainstem.Append{Stream: "s", Events: []mainstem.Event{{Type: "e"}}},
		mainstem.Acquire{Lease: "l", Owner: "o", TTL: time.Second}, mainstem.Present{Lease: "f", Token: 3})
	w.commit(2*time.Second, "h", mainstem.Put{Name: "k", Value: mainstem.Int(1)})
	digests := func(rows Rows) (all [Ranges][16]byte) {
		for number := range uint8(Ranges) {
			var err error
			if all[number], err = Sweep(rows, w.tail, number, func([]byte) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	differ := func(a, b [Ranges][16]byte) (n int) {
		for i := range a {
			if a[i] != b[i] {
				n++
			}
		}
		return n
	}
	before := digests(w.rows)
	for key := range w.rows {
		changed, missing := maps.Clone(w.rows), maps.Clone(w.rows)
		changed[key] += "x"
		delete(missing, key)
		want := 0
		switch key[0] {
		case kindKey, kindStream, kindLease, kindPresented:
			want = 1
		}
		if n := differ(before, digests(changed)); n != want {
			t.Errorf("changed %s: %d ranges differ, want %d (L12)", describe([]byte(key), []byte(w.rows[key]), false), n, want)
		}
		if n := differ(before, digests(missing)); n != want {
			t.Errorf("removed %s: %d ranges differ, want %d (L12)", describe([]byte(key), []byte(w.rows[key]), false), n, want)
		}
	}
}
