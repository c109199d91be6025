package access

import (
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// TestIDs: a receipt and its reply are for who may use the ID.
func TestIDs(t *testing.T) {
	db := database(t)
	g := gateOf(t, entry("a", Rule{Rights: []Right{Write}, Groups: []string{"g"}, Prefixes: []string{"a/"}}),
		entry("b", Rule{Rights: []Right{Write}, Groups: []string{"g"}, Prefixes: []string{"b/"}}),
		entry("reader", Rule{Rights: []Right{Read}, Groups: []string{"g"}, Prefixes: []string{"a/"}}),
		entry("feeder", Rule{Rights: []Right{Feed}, Groups: []string{"g"}}))
	backend := func(name string) mainstem.Backend { return Guard(db.Backend(), as(t, g, name)) }
	commit := func(name, id string) (*mainstem.Receipt, error) {
		return backend(name).Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: id}, Attempt: 1, Reply: []byte("secret of " + name)})
	}
	lookup := func(name, id string) (*mainstem.Receipt, error) {
		v, err := backend(name).View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest(), ID: mainstem.ID{Opaque: id}})
		if err != nil {
			return nil, err
		}
		defer v.Close()
		return v.Known(), nil
	}
	for range 2 {
		if r, err := commit("a", "a/1"); err != nil || string(r.Reply) != "secret of a" {
			t.Fatalf("its own: %v, %v", r, err)
		}
	}
	for _, name := range []string{"a", "reader"} {
		if r, err := lookup(name, "a/1"); err != nil || r == nil {
			t.Errorf("looked up by %s: %v, %v", name, r, err)
		}
	}
	var texts []string
	for _, id := range []string{"a/1", "a/never"} {
		_, err := commit("b", id)
		judge(t, "commit by b of "+id, err, false)
		texts = append(texts, err.Error())
		for _, name := range []string{"b", "feeder"} {
			_, err = lookup(name, id)
			judge(t, "lookup by "+name+" of "+id, err, false)
		}
	}
	if texts[0] != texts[1] || strings.Contains(texts[0], "a/1") {
		t.Errorf("the refusal tells whether the ID is there: %q", texts)
	}
	_, err := commit("reader", "a/2")
	judge(t, "commit by a reader", err, false)
	_, err = backend("reader").Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Session: mainstem.SessionID{1}, Number: 1, Low: 1}, Attempt: 1})
	judge(t, "commit by a reader under a made ID", err, false)
}

// TestRefusalsTellNothing: what is there and what is not are refused in the same words.
func TestRefusalsTellNothing(t *testing.T) {
	db := database(t)
	if _, err := db.Group("g").Do(t.Context(), "there", func(tx *mainstem.Txn) error { tx.Put("there", nil); return nil }); err != nil {
		t.Fatal(err)
	}
	b := Guard(db.Backend(), as(t, gateOf(t, entry("c", Rule{Rights: []Right{Read, Write}, Groups: []string{"g"}, Prefixes: []string{"aside/"}})), "c"))
	v, err := b.View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	said := map[string]map[string]bool{}
	note := func(kind string, err error) {
		if said[kind] == nil {
			said[kind] = map[string]bool{}
		}
		said[kind][err.Error()] = true
		judge(t, kind, err, false)
	}
	for _, name := range []string{"there", "gone"} {
		for kind, make := range queries {
			if make != nil {
				q := make(name)
				q.Group = "g"
				_, err := v.Read(t.Context(), q)
				note(kind, err)
			}
		}
		for kind, make := range conditions {
			_, err := b.Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "aside/1"}, Attempt: 1, Conditions: []mainstem.Condition{make(name)}})
			note(kind, err)
		}
		for kind, make := range operations {
			_, err := b.Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "aside/1"}, Attempt: 1, Operations: []mainstem.Operation{make(name)}})
			note(kind, err)
		}
	}
	for kind, texts := range said {
		if len(texts) != 1 {
			t.Errorf("%s: %v", kind, texts)
		}
	}
}
