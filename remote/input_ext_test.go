package remote_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// strange are names that nothing can have, and some that only Mainstem has.
var strange = []string{"\xff", "k\xff", "\xc3", "", "a\x00b", "~own"}

// TestBadInputBreaksTheSameHereAndThere: what a caller does wrong has the same code
// from a database in this process and from one behind a server, and at once.
func TestBadInputBreaksTheSameHereAndThere(t *testing.T) {
	behind := mainstemtest.Open(t)
	db := dial(t, mainstemtest.Serve(t, behind.Backend()))
	ctx := within(t, 20*time.Second)
	if _, err := add(ctx, behind.DB, "g", "a"); err != nil {
		t.Fatal(err)
	}
	here, there := mistakes(ctx, behind.Backend()), mistakes(ctx, db.Backend())
	refused := 0
	for what, code := range here {
		if there[what] != code {
			t.Errorf("%s: %s here, %s there", what, code, there[what])
		}
		if code != 0 {
			refused++
		}
	}
	if len(here) != len(there) || refused < len(here)/2 {
		t.Errorf("%d and %d mistakes were made, %d refused", len(here), len(there), refused)
	}
}

// mistakes makes them, and tells the code of each.
func mistakes(ctx context.Context, b mainstem.Backend) map[string]mainstem.Code {
	codes := map[string]mainstem.Code{}
	commit := func(what string, t mainstem.Transaction) {
		t.Attempt = 1
		if t.Group == "" {
			t.Group = "g"
		}
		if t.ID.IsZero() {
			t.ID.Opaque = fmt.Sprint(len(codes), what) // one more each time
		}
		_, err := b.Commit(ctx, &t)
		codes["commit: "+what] = mainstem.CodeOf(err)
	}
	view := func(what string, r mainstem.ViewRequest, ask ...mainstem.Query) {
		v, err := b.View(ctx, r)
		codes["view: "+what] = mainstem.CodeOf(err)
		if err != nil {
			return
		}
		for i, q := range ask {
			_, err := v.Read(ctx, q)
			codes[fmt.Sprintf("query %d: %s", i, what)] = mainstem.CodeOf(err)
		}
		_ = v.Close() // a view of nothing
	}
	feed := func(what string, from mainstem.From) {
		from.Drain = true
		for _, err := range b.Changes(ctx, from) {
			codes["feed: "+what] = mainstem.CodeOf(err)
		}
	}
	for _, name := range strange {
		inTransactions(name, commit)
		inQueries(name, view)
		for what, m := range map[string]mainstem.Match{"group": {Groups: []string{"g", name}}, "prefix": {NamePrefix: name}, "group prefix": {GroupPrefix: name}} {
			feed(fmt.Sprintf("%s %q", what, name), mainstem.From{Match: m})
		}
	}
	for _, c := range []mainstem.Condition{nil, mainstem.StreamLength{}, mainstem.RangeUnchanged{From: "b", To: "a"}} {
		commit(fmt.Sprintf("condition %T", c), mainstem.Transaction{Conditions: []mainstem.Condition{c}})
	}
	for _, o := range []mainstem.Operation{nil, mainstem.Add{}, mainstem.Put{Name: "k", TTL: -1}, mainstem.Acquire{Lease: "l", Owner: "o"}} {
		commit(fmt.Sprintf("operation %T", o), mainstem.Transaction{Operations: []mainstem.Operation{o}})
	}
	for _, at := range []mainstem.Consistency{{}, {Level: 77}, mainstem.Within(-1), mainstem.AsOf(99), mainstem.AsOfTime(time.Time{})} {
		view(fmt.Sprint("at ", at), mainstem.ViewRequest{Group: "g", At: at})
	}
	for _, from := range []mainstem.From{
		{Max: -1},
		{Max: 1 << 40},
		{Match: mainstem.Match{EndSlot: mainstem.Slots + 1}},
		{Match: mainstem.Match{FirstSlot: 9, EndSlot: 3}},
		{Match: mainstem.Match{FirstSlot: 9}},
		{Match: mainstem.Match{Kinds: []mainstem.EffectKind{200}}},
		{Match: mainstem.Match{Kinds: []mainstem.EffectKind{0}}},
	} {
		feed(fmt.Sprint(from), from)
	}
	return codes
}

// inTransactions puts a name into every place that a transaction has for one.
func inTransactions(name string, commit func(string, mainstem.Transaction)) {
	with := func(c mainstem.Condition, o mainstem.Operation) {
		if c != nil {
			commit(fmt.Sprintf("%T of %q", c, name), mainstem.Transaction{Conditions: []mainstem.Condition{c}})
		}
		if o != nil {
			commit(fmt.Sprintf("%T of %q", o, name), mainstem.Transaction{Operations: []mainstem.Operation{o}})
		}
	}
	commit(fmt.Sprintf("group %q", name), mainstem.Transaction{Group: name})
	commit(fmt.Sprintf("ID %q", name), mainstem.Transaction{ID: mainstem.ID{Opaque: name}})
	commit(fmt.Sprintf("actor %q", name), mainstem.Transaction{Meta: mainstem.Meta{Actor: name}})
	with(mainstem.KeyAbsent{Name: name}, mainstem.Delete{Name: name})
	with(mainstem.KeyUnchanged{Name: name}, mainstem.Put{Name: name})
	with(mainstem.KeyEquals{Name: name}, mainstem.Add{Name: name, Delta: 1})
	with(mainstem.StreamLength{Stream: name}, mainstem.Append{Stream: name, Events: []mainstem.Event{{Type: "t"}}})
	with(mainstem.RangeUnchanged{From: "a", To: name}, mainstem.Append{Stream: "s", Events: []mainstem.Event{{Type: name}}})
	with(mainstem.StreamsUnchanged{From: "a", To: name}, mainstem.Emit{Topic: name, Event: mainstem.Event{Type: "t"}})
	with(nil, mainstem.Emit{Topic: "t", Event: mainstem.Event{Type: name}})
	with(mainstem.LeaseHeld{Lease: name, Token: 1}, mainstem.Acquire{Lease: name, Owner: "o", TTL: time.Second})
	with(mainstem.Committed{ID: name}, mainstem.Acquire{Lease: "l", Owner: name, TTL: time.Second})
	with(nil, mainstem.Renew{Lease: name, Token: 1, TTL: time.Second})
	with(nil, mainstem.Release{Lease: name, Token: 1})
	with(nil, mainstem.Void{ID: name})
	with(nil, mainstem.Present{Lease: name, Token: 1})
}

// inQueries puts a name into every place that a view and its questions have.
func inQueries(name string, view func(string, mainstem.ViewRequest, ...mainstem.Query)) {
	latest := mainstem.ViewRequest{Group: "g", At: mainstem.Latest()}
	view(fmt.Sprintf("of %q", name), mainstem.ViewRequest{Group: name, At: mainstem.Latest()})
	view(fmt.Sprintf("with ID %q", name), mainstem.ViewRequest{Group: "g", At: mainstem.Latest(), ID: mainstem.ID{Opaque: name}})
	var all []mainstem.Query
	for kind := mainstem.QueryKind(0); kind <= mainstem.QueryGroups+1; kind++ {
		all = append(all,
			mainstem.Query{Kind: kind, Group: "g", Name: name},
			mainstem.Query{Kind: kind, Group: "g", Name: "a", To: name},
			mainstem.Query{Kind: kind, Group: name, Name: "a"},
			mainstem.Query{Kind: kind, Group: "g", Name: "a", Max: -1},
			mainstem.Query{Kind: kind, Group: "g", Name: "a", Max: 1 << 40})
	}
	view(fmt.Sprintf("questions about %q", name), latest, all...)
	latest.Group = ""
	view(fmt.Sprintf("questions about %q in the whole database", name), latest, all...)
}
