package mainstemtest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/model"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// over runs a test over every kind of database there is: what is true of the
// model must be true of the product.
func over(t *testing.T, test func(t *testing.T, b mainstem.Backend)) {
	t.Run("model", func(t *testing.T) { test(t, model.NewBackend(model.New(24*time.Hour))) })
	t.Run("product", func(t *testing.T) { test(t, mainstemtest.Open(t).Backend()) })
}

// retried is a function for Do, and what must be true however often its
// replies are lost.
type retried struct {
	name string
	fn   func(ctx context.Context, tx *mainstem.Txn) error
}

var errMine = errors.New("the function's own error")

// Every kind of function whose second run would differ from its first.
var kinds = []retried{
	{"blind", func(_ context.Context, tx *mainstem.Txn) error {
		tx.Add("n", 1)
		return nil
	}},
	{"changed reads", func(ctx context.Context, tx *mainstem.Txn) error {
		v, err := tx.Get(ctx, "other")
		tx.Put("copy", v.Value.Bytes)
		tx.Reply(v.Value.Bytes)
		return err
	}},
	{"time in the value", func(_ context.Context, tx *mainstem.Txn) error {
		now := []byte(time.Now().Format(time.RFC3339Nano))
		tx.Put("when", now)
		tx.Reply(now)
		return nil
	}},
	{"refusal", func(ctx context.Context, tx *mainstem.Txn) error {
		v, err := tx.Get(ctx, "other")
		if err != nil {
			return err
		}
		tx.Put("must-not-be-there", nil)
		return tx.Refuse(append([]byte("not with "), v.Value.Bytes...))
	}},
	{"events and a lease", func(_ context.Context, tx *mainstem.Txn) error {
		tx.Append("s", mainstem.Event{Type: "t", Data: []byte(time.Now().String())})
		tx.Operate(mainstem.Acquire{Lease: "l", Owner: time.Now().String(), TTL: time.Hour})
		return nil
	}},
}

// TestRetryThatLostItsReply holds a retry to its first receipt, without its
// function run again, although the world has changed in between (L5).
func TestRetryThatLostItsReply(t *testing.T) {
	for _, kind := range kinds {
		for _, fault := range []mainstemtest.Fault{mainstemtest.LoseReply, mainstemtest.Repeat, mainstemtest.Delay} {
			t.Run(kind.name+"/"+fault.String(), func(t *testing.T) {
				over(t, func(t *testing.T, b mainstem.Backend) { retryOnce(t, b, kind, fault) })
			})
		}
	}
}

func retryOnce(t *testing.T, b mainstem.Backend, kind retried, fault mainstemtest.Fault) {
	net := mainstemtest.NewFlaky(b)
	direct, g := mainstem.New(b).Group("g"), mainstem.New(net).Group("g")
	set(t, direct, "other", "before")
	runs := 0
	counted := func(tx *mainstem.Txn) error {
		runs++
		return kind.fn(t.Context(), tx)
	}
	net.Next(fault)
	first, err := g.Do(t.Context(), "retry", counted)
	if fault == mainstemtest.Repeat {
		if err != nil || first.Replayed {
			t.Fatalf("the first of two copies was answered %+v, %v", first, err)
		}
	} else if mainstem.CodeOf(err) != mainstem.Undecided {
		t.Fatalf("with its answer lost, Do said %v, want undecided", err)
	}
	for _, err := range net.Arrive(t.Context()) {
		if err != nil {
			t.Fatalf("the delayed request was answered %v", err)
		}
	}
	known := receiptOf(t, direct, "retry")
	set(t, direct, "other", "after")
	second, err := g.Do(t.Context(), "retry", counted)
	if err != nil {
		t.Fatal(err)
	}
	if runs != 1 {
		t.Errorf("(L5) the function ran %d times", runs)
	}
	if !second.Replayed || second.Position != known.Position || string(second.Reply) != string(known.Reply) || second.Refused != known.Refused {
		t.Errorf("(L5) the retry was answered %+v, the first receipt is %+v", second, known)
	}
	if kind.name == "refusal" && (!second.Refused || string(second.Reply) != "not with before") {
		t.Errorf("the refusal came back as %+v", second)
	}
	if v, err := direct.Get(t.Context(), "must-not-be-there", mainstem.Latest()); err != nil || v.Exists {
		t.Errorf("a refused function left %+v, %v", v, err)
	}
	if n := committed(t, b, "retry"); n != 1 {
		t.Errorf("(L5) the ID stands %d times in the feed", n)
	}
}

func set(t *testing.T, g mainstem.Group, key, value string) {
	t.Helper()
	if _, err := g.Do(t.Context(), "", func(tx *mainstem.Txn) error {
		tx.Put(key, []byte(value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func receiptOf(t *testing.T, g mainstem.Group, id string) *mainstem.Receipt {
	t.Helper()
	v, err := g.View(t.Context(), mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	r, err := v.Receipt(t.Context(), id)
	if err != nil || r == nil {
		t.Fatalf("the receipt of %s is %v, %v", id, r, err)
	}
	return r
}

// committed is how often an ID stands in the feed.
func committed(t *testing.T, b mainstem.Backend, id string) (n int) {
	t.Helper()
	for batch, err := range b.Changes(t.Context(), mainstem.From{Drain: true}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Changes {
			if c.ID.String() == id {
				n++
			}
		}
	}
	return n
}

// TestErrorOfTheFunctionWritesNothing: its own error comes back, and the ID is free.
func TestErrorOfTheFunctionWritesNothing(t *testing.T) {
	over(t, func(t *testing.T, b mainstem.Backend) {
		g := mainstem.New(mainstemtest.NewFlaky(b)).Group("g")
		for _, want := range []error{errMine, nil} {
			_, err := g.Do(t.Context(), "id", func(tx *mainstem.Txn) error {
				tx.Add("n", 1)
				return want
			})
			if !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		if v, err := g.Get(t.Context(), "n", mainstem.Latest()); err != nil || v.Value.Int != 1 {
			t.Errorf("n is %v, %v, want 1", v.Value, err)
		}
	})
}

// TestLibraryMadeIDRepeatsItself: without an ID of the caller's, Do goes on
// until it knows, and the function has one effect.
func TestLibraryMadeIDRepeatsItself(t *testing.T) {
	over(t, func(t *testing.T, b mainstem.Backend) {
		for i, fault := range []mainstemtest.Fault{mainstemtest.LoseReply, mainstemtest.LoseRequest, mainstemtest.Delay, mainstemtest.Repeat} {
			net := mainstemtest.NewFlaky(b)
			g := mainstem.New(net).Group("g")
			net.Next(fault)
			r, err := g.Do(t.Context(), "", func(tx *mainstem.Txn) error {
				tx.Add("n", 1)
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", fault, err)
			}
			net.Arrive(t.Context())
			if v, err := g.Get(t.Context(), "n", mainstem.AtLeast(r.Token)); err != nil || v.Value.Int != int64(i+1) {
				t.Errorf("(L5) after %s n is %v, %v, want %d", fault, v.Value, err, i+1)
			}
		}
	})
}

// TestDelayedAttemptAfterItsRefusal: the first attempt is under way for long;
// meanwhile its retry is refused for good, which the caller acts on. The first
// must not commit when it arrives (L11).
func TestDelayedAttemptAfterItsRefusal(t *testing.T) {
	over(t, func(t *testing.T, b mainstem.Backend) {
		net := mainstemtest.NewFlaky(b)
		direct := mainstem.New(b).Group("g")
		set(t, direct, "seat", "free")
		take := func(attempt uint32) error {
			_, err := net.Commit(t.Context(), &mainstem.Transaction{
				Group: "g", ID: mainstem.ID{Opaque: "take"}, Attempt: attempt,
				Conditions: []mainstem.Condition{mainstem.KeyEquals{Name: "seat", Value: mainstem.Bytes([]byte("free"))}},
				Operations: []mainstem.Operation{mainstem.Put{Name: "seat", Value: mainstem.Bytes([]byte("mine"))}},
			})
			return err
		}
		net.Next(mainstemtest.Delay)
		if err := take(1); mainstem.CodeOf(err) != mainstem.Undecided {
			t.Fatalf("the delayed attempt was answered %v", err)
		}
		set(t, direct, "seat", "taken")
		if err := take(2); mainstem.CodeOf(err) != mainstem.Conflict {
			t.Fatalf("the second attempt was answered %v, want conflict", err)
		}
		set(t, direct, "seat", "free") // now the first could commit, if it were let
		for _, err := range net.Arrive(t.Context()) {
			if mainstem.CodeOf(err) != mainstem.Cancelled {
				t.Errorf("(L11) the late first attempt was answered %v, want cancelled", err)
			}
		}
		if v, err := direct.Get(t.Context(), "seat", mainstem.Latest()); err != nil || string(v.Value.Bytes) != "free" {
			t.Errorf("(L11) the seat is %s, %v: a refused attempt committed", v.Value, err)
		}
		if err := take(3); err != nil {
			t.Errorf("a later attempt was answered %v", err)
		}
	})
}

// TestSameIDAfterRefusal: held says that the same request may succeed later
// under the same ID, so a recorded refusal must not stand in its way.
func TestSameIDAfterRefusal(t *testing.T) {
	over(t, func(t *testing.T, b mainstem.Backend) {
		g := mainstem.New(mainstemtest.NewFlaky(b)).Group("g")
		acquire := func(id, owner string) (*mainstem.Receipt, error) {
			return g.Do(t.Context(), id, func(tx *mainstem.Txn) error {
				tx.Operate(mainstem.Acquire{Lease: "l", Owner: owner, TTL: time.Hour})
				return nil
			})
		}
		ann, err := acquire("ann", "ann")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := acquire("bob", "bob"); mainstem.CodeOf(err) != mainstem.Held {
			t.Fatalf("bob was answered %v, want held", err)
		}
		if _, err := g.Do(t.Context(), "release", func(tx *mainstem.Txn) error {
			tx.Operate(mainstem.Release{Lease: "l", Token: ann.Results[0].Token})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := acquire("bob", "bob"); err != nil {
			t.Errorf("bob asks again under the ID that held invited to repeat, and is answered %v", err)
		}
	})
}

func name(i int) string { return fmt.Sprintf("id-%d", i) }

// TestALateCopyOfALibraryID: the request of a first attempt is on its way for
// longer than IDs are kept. Do repeated it meanwhile and it committed; since
// then its session was forgotten. The late copy must not commit once more (L5,
// L11).
func TestALateCopyOfALibraryID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := mainstemtest.NewClock()
		db := mainstemtest.Open(t, embedded.OnClock(clock))
		flaky := mainstemtest.NewFlaky(db.Backend())
		client := mainstem.New(flaky)
		add := func(want int64) {
			t.Helper()
			if _, err := client.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil }); err != nil {
				t.Fatal(err)
			}
			if v, err := db.Get(t.Context(), "g", "n", mainstem.Latest()); err != nil || v.Value.Int != want {
				t.Errorf("n is %d, %v, must be %d", v.Value.Int, err, want)
			}
		}
		flaky.Next(mainstemtest.Delay)
		add(1)
		clock.Advance(25 * time.Hour)
		time.Sleep(time.Minute)
		for i := range 2 { // log enough for a checkpoint, which forgets the session
			if _, err := db.Group("other").Do(t.Context(), fmt.Sprint(i), func(tx *mainstem.Txn) error { tx.Put("k", make([]byte, 100<<10)); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		late := flaky.Arrive(t.Context())
		if len(late) != 1 || mainstem.CodeOf(late[0]) != mainstem.TooOld {
			t.Errorf("what was late is answered %v, want too_old (L5)", late)
		}
		// What the client last heard of log age is now older than IDs are kept:
		// its next call takes an ID that was born now.
		add(2)
	})
}

// forgetful commits the first transaction, says that its outcome is unknown,
// and comes back when the ID is too old to be known.
type forgetful struct {
	mainstem.Backend
	forget func()
	once   sync.Once
}

func (f *forgetful) Commit(ctx context.Context, t *mainstem.Transaction) (r *mainstem.Receipt, err error) {
	r, err = f.Backend.Commit(ctx, t)
	f.once.Do(func() {
		f.forget()
		r, err = nil, mainstem.Errorf(mainstem.Undecided, "the reply was lost")
	})
	return r, err
}

// TestAnUnknownOutcomeIsNoReasonForANewID: a first attempt may have committed,
// and when Do asks again its ID is too old to tell. Do says so; with another ID
// it would commit twice (L5, L11).
func TestAnUnknownOutcomeIsNoReasonForANewID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := mainstemtest.NewClock()
		db := mainstemtest.Open(t, embedded.OnClock(clock))
		client := mainstem.New(&forgetful{Backend: db.Backend(), forget: func() {
			clock.Advance(25 * time.Hour)
			time.Sleep(time.Minute)
			for i := range 2 { // log enough for a checkpoint, which forgets the session
				if _, err := db.Group("other").Do(t.Context(), fmt.Sprint(i), func(tx *mainstem.Txn) error { tx.Put("k", make([]byte, 100<<10)); return nil }); err != nil {
					t.Error(err)
				}
			}
		}})
		_, err := client.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil })
		if mainstem.CodeOf(err) != mainstem.Undecided {
			t.Errorf("an outcome that nobody can know any more is answered %v, want undecided", err)
		}
		if v, err := db.Get(t.Context(), "g", "n", mainstem.Latest()); err != nil || v.Value.Int != 1 {
			t.Errorf("n is %d, %v; one call committed twice", v.Value.Int, err)
		}
	})
}
