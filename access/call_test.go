package access

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
)

var everything = Rule{Rights: []Right{Read, Write, Feed}, Groups: []string{"*", "~*"}}

// TestActor: the record says who it was, whatever the client says.
func TestActor(t *testing.T) {
	db := database(t)
	b := Guard(db.Backend(), as(t, gateOf(t, entry("web", everything)), "web"))
	put := func(id, actor string) (*mainstem.Transaction, error) {
		tx := &mainstem.Transaction{
			Group: "g", ID: mainstem.ID{Opaque: id}, Attempt: 1, Operations: []mainstem.Operation{mainstem.Put{Name: id}},
			Meta: mainstem.Meta{Actor: actor, Request: "r", Trace: "t"},
		}
		_, err := b.Commit(t.Context(), tx)
		return tx, err
	}
	for id, actor := range map[string]string{"a": "", "b": "web"} {
		if tx, err := put(id, actor); err != nil || tx.Meta.Actor != actor {
			t.Errorf("actor %q: %v, and the caller's transaction has the actor %q now", actor, err, tx.Meta.Actor)
		}
	}
	_, err := put("c", "root")
	judge(t, "another actor", err, false)
	seen := 0
	for batch, err := range db.Changes(t.Context(), mainstem.From{Drain: true}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Changes {
			seen++
			if c.Meta != (mainstem.Meta{Actor: "web", Request: "r", Trace: "t"}) {
				t.Errorf("%s was written by %+v", c.ID, c.Meta)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d transactions, want 2", seen)
	}
}

// TestLibraryWorks: what the library does on its own is possible with the rights to
// the group alone.
func TestLibraryWorks(t *testing.T) {
	db := database(t)
	g := gateOf(t, entry("web", Rule{Rights: []Right{Read, Write}, Groups: []string{"shop"}, Prefixes: []string{"stock/"}}))
	guarded := mainstem.New(Guard(db.Backend(), as(t, g, "web")))
	for _, id := range []string{"", "stock/order-1", "stock/order-1"} {
		_, err := guarded.Group("shop").Do(t.Context(), id, func(tx *mainstem.Txn) error {
			if _, err := tx.Get(t.Context(), "stock/a"); err != nil {
				return err
			}
			for _, err := range tx.Scan(t.Context(), "stock/", "stock0") {
				if err != nil {
					return err
				}
			}
			tx.Add("stock/n", 1)
			return nil
		})
		if err != nil {
			t.Errorf("ID %q: %v", id, err)
		}
	}
	v, err := db.Group("shop").Get(t.Context(), "stock/n", mainstem.Latest())
	if err != nil || v.Value.Int != 2 {
		t.Errorf("the counter is %v, %v", v.Value, err)
	}
	if err := guarded.Close(); err != nil {
		t.Error(err)
	}
	if _, err := db.Group("shop").Get(t.Context(), "stock/n", mainstem.Latest()); err != nil {
		t.Errorf("a client has closed the database: %v", err)
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		e := entry("c", everything)
		e.Limits = Limits{Requests: 10, Burst: 3}
		b := Guard(db.Backend(), as(t, gateOf(t, e), "c"))
		got := func() (n int) {
			for range 20 {
				if _, err := b.Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: made(), Attempt: 1}); mainstem.CodeOf(err) != mainstem.Overloaded {
					n++
				}
			}
			return n
		}
		if n := got(); n != 3 {
			t.Errorf("%d requests at once, want 3", n)
		}
		time.Sleep(250 * time.Millisecond)
		if n := got(); n != 2 {
			t.Errorf("%d requests after a quarter of a second, want 2", n)
		}
		time.Sleep(time.Hour)
		if n := got(); n != 3 {
			t.Errorf("%d requests after an hour, want 3", n)
		}
		time.Sleep(time.Second)
		v, err := b.View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		denied := 0
		for range 5 { // questions count too
			if _, err := v.Read(t.Context(), mainstem.Query{Kind: mainstem.QueryGet, Group: "g", Name: "a"}); mainstem.CodeOf(err) == mainstem.Overloaded {
				denied++
			}
		}
		if denied != 3 {
			t.Errorf("%d questions of 5 were refused, want 3", denied)
		}
	})
}

func TestPlaces(t *testing.T) {
	db := database(t)
	e := entry("c", everything)
	e.Limits = Limits{Concurrent: 2, Feeds: 1, Bytes: 100}
	b := Guard(db.Backend(), as(t, gateOf(t, e), "c"))
	open := func() (mainstem.Snapshot, error) {
		return b.View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
	}
	one, err1 := open()
	two, err2 := open()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	commit := func(size int) mainstem.Code {
		_, err := b.Commit(t.Context(), &mainstem.Transaction{
			Group: "g", ID: mainstem.ID{Opaque: "x"}, Attempt: 1, Operations: []mainstem.Operation{mainstem.Put{Name: "a", Value: mainstem.Bytes(make([]byte, size-9))}},
		})
		return mainstem.CodeOf(err)
	}
	if _, err := open(); mainstem.CodeOf(err) != mainstem.Overloaded {
		t.Errorf("a third view: %v", err)
	}
	if code := commit(9); code != mainstem.Overloaded {
		t.Errorf("a transaction beside two views: %s", code)
	}
	if one.Close() != nil || one.Close() != nil || two.Close() != nil { // closing twice gives back one place
		t.Error("a view cannot be closed")
	}
	one, err1 = open()
	two, err2 = open()
	_, err := open()
	if err1 != nil || err2 != nil || mainstem.CodeOf(err) != mainstem.Overloaded {
		t.Errorf("after two were closed: %v, %v, and a third %v", err1, err2, err)
	}
	if one.Close() != nil || two.Close() != nil {
		t.Error("a view cannot be closed")
	}
	if at, beyond := commit(100), commit(101); at != 0 || beyond != mainstem.TooLarge {
		t.Errorf("a transaction of 100 bytes: %s; of 101: %s", at, beyond)
	}
	if t.Failed() {
		return // the feed would wait for that transaction
	}
	for range b.Changes(t.Context(), mainstem.From{}) {
		for _, err := range b.Changes(t.Context(), mainstem.From{Drain: true}) {
			if mainstem.CodeOf(err) != mainstem.Overloaded {
				t.Errorf("a second feed: %v", err)
			}
		}
		break
	}
	for _, err := range b.Changes(t.Context(), mainstem.From{Drain: true}) {
		if err != nil {
			t.Errorf("a feed after the first ended: %v", err)
		}
	}
}

// TestExpires: an open view, a feed and a Backend end with the token.
func TestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		e := entry("c", everything)
		e.Tokens[0].Expires = time.Now().Add(time.Minute).Truncate(time.Second)
		g := gateOf(t, e)
		b := Guard(db.Backend(), as(t, g, "c"))
		v, err := b.View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		read := func() error {
			_, err := v.Read(t.Context(), mainstem.Query{Kind: mainstem.QueryGet, Group: "g", Name: "a"})
			return err
		}
		time.Sleep(time.Until(e.Tokens[0].Expires) - 1)
		judge(t, "a question in time", read(), true)
		time.Sleep(1)
		judge(t, "a question when it has expired", read(), false)
		_, err = b.Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: made(), Attempt: 1})
		judge(t, "a transaction when it has expired", err, false)
		if _, ok := g.client(request("Bearer c")); ok {
			t.Error("a new request with the expired token was let in")
		}
	})
}

// TestAudit: every refusal is counted, and a flood is logged in part, with how much
// was left out.
func TestAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		var log bytes.Buffer
		var mu sync.Mutex
		counted := map[Reason]int{}
		g := gateOf(t, entry("c", Rule{Rights: []Right{Read}, Groups: []string{"g"}}), entry("d", everything))
		Log(slog.New(slog.NewTextHandler(&log, nil))).apply(g)
		Count(func(r Refusal) {
			mu.Lock()
			defer mu.Unlock()
			counted[r.Reason]++
		}).apply(g)
		b := Guard(db.Backend(), as(t, g, "c"))
		put := func(name string) {
			_, err := b.Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: made(), Attempt: 1, Operations: []mainstem.Operation{mainstem.Put{Name: name, Value: mainstem.Bytes([]byte("payload"))}}})
			judge(t, "a transaction of a reader", err, false)
		}
		for range 1000 {
			put("secret")
		}
		if n := strings.Count(log.String(), "\n"); n != AuditBurst {
			t.Errorf("%d records for 1000 refusals, want %d", n, AuditBurst)
		}
		_, err := Guard(db.Backend(), as(t, g, "d")).Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: made(), Attempt: 1, Meta: mainstem.Meta{Actor: "c"}})
		judge(t, "another actor", err, false)
		if !strings.Contains(log.String(), "client=d") {
			t.Error("the flood of one client hides the refusal of another")
		}
		time.Sleep(AuditEvery)
		put("secret")
		for _, want := range []string{"client=c right=write group=g code=denied reason=no_right", "left_out=990"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("no %q in:\n%s", want, log.String())
			}
		}
		if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "payload") {
			t.Errorf("the log has names or values:\n%s", log.String())
		}
		if counted[NoRight] != 1001 || counted[OtherActor] != 1 {
			t.Errorf("counted: %v", counted)
		}
	})
}

// TestNobody: a Client that no gate has made may do nothing.
func TestNobody(t *testing.T) {
	db := database(t)
	b := Guard(db.Backend(), Client{})
	_, err := b.Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: made(), Attempt: 1})
	judge(t, "a transaction of nobody", err, false)
	_, err = b.View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
	judge(t, "a view of nobody", err, false)
	for _, err := range b.Changes(t.Context(), mainstem.From{Drain: true}) {
		judge(t, "a feed of nobody", err, false)
	}
	_, err = Guarded(context.Background(), db.Backend())
	judge(t, "a context without anybody", err, false)
	judge(t, "admin by nobody", Client{}.Admin(t.Context()), false)
}

func TestAdmin(t *testing.T) {
	g := gateOf(t, entry("operator", Rule{Rights: []Right{Admin}, Groups: []string{"*"}}), entry("web", everything))
	judge(t, "admin by the operator", as(t, g, "operator").Admin(t.Context()), true)
	judge(t, "admin by another", as(t, g, "web").Admin(t.Context()), false)
}
