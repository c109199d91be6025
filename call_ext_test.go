package mainstem_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
)

type bought struct {
	At   time.Time
	Left int64
}

type soldOut struct{ Asked, Left int64 }

// A retry is answered as the first call was, and its function does not run,
// whatever the function would say now (L5).
func TestCallRepeats(t *testing.T) {
	g := open(t).Group("item-1")
	ctx := t.Context()
	runs := 0
	buy := func(id string) (bought, *mainstem.Receipt, error) {
		return mainstem.Call(ctx, g, id, func(tx *mainstem.Txn) (bought, error) {
			runs++
			n, err := mainstem.NewCounter("stock").Get(ctx, tx)
			tx.Add("stock", 1)
			return bought{At: time.Now(), Left: n}, err
		})
	}
	first, r1, err := buy("order-1")
	must(t, err)
	_, _, err = buy("order-2")
	must(t, err)
	again, r2, err := buy("order-1")
	must(t, err)
	if again.Left != first.Left || !again.At.Equal(first.At) || r2.Position != r1.Position || !r2.Replayed || r1.Replayed || runs != 2 {
		t.Errorf("first %+v at %s, again %+v at %s (replayed %v), %d runs", first, r1.Position, again, r2.Position, r2.Replayed, runs)
	}
}

func TestCallRefuses(t *testing.T) {
	g := open(t).Group("item-1")
	ctx := t.Context()
	runs := 0
	buy := func() (bought, *mainstem.Receipt, error) {
		return mainstem.Call(ctx, g, "order-1", func(tx *mainstem.Txn) (bought, error) {
			runs++
			tx.Put("order", []byte("x"))
			return bought{}, mainstem.Refuse(tx, soldOut{Asked: 3, Left: 1})
		})
	}
	for range 2 {
		_, r, err := buy()
		var no mainstem.Refused[soldOut]
		if !errors.As(err, &no) || no.Reply != (soldOut{3, 1}) || no.Receipt != r || !r.Refused {
			t.Fatalf("refused with %v, %+v", err, r)
		}
		var other mainstem.Refused[[]int]
		if errors.As(err, &other) {
			t.Errorf("an object is taken for a list: %v", other)
		}
		if got := mainstem.Outcome(1).Of(r); got != (mainstem.Result{}) {
			t.Errorf("a refusal has the result %+v", got)
		}
	}
	if runs != 1 {
		t.Errorf("the function ran %d times, must run once", runs)
	}
	if v, err := g.Get(ctx, "order", mainstem.Latest()); err != nil || v.Exists {
		t.Errorf("a refusal wrote %+v, %v", v, err)
	}
}

// A function that fails is not remembered.
func TestCallFails(t *testing.T) {
	g := open(t).Group("item-1")
	ctx := t.Context()
	broken := errors.New("broken")
	fail := broken
	call := func() (string, *mainstem.Receipt, error) {
		return mainstem.Call(ctx, g, "order-1", func(*mainstem.Txn) (string, error) { return "done", fail })
	}
	if _, _, err := call(); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	fail = nil
	if reply, _, err := call(); reply != "done" || err != nil {
		t.Fatal(reply, err)
	}
	_, r, err := mainstem.Call(ctx, g, "order-1", func(*mainstem.Txn) (bought, error) { return bought{}, nil })
	code(t, err, mainstem.Invalid)
	if r == nil || !r.Replayed {
		t.Errorf("the receipt of an ID that has committed is %+v", r)
	}
	_, _, err = mainstem.Call(ctx, g, "order-2", func(*mainstem.Txn) (func(), error) { return nil, nil })
	code(t, err, mainstem.Invalid)
}

func TestReservedGroups(t *testing.T) {
	db := open(t)
	_, err := db.Group("~follow/x").Do(t.Context(), "1", func(tx *mainstem.Txn) error { tx.Put("a", nil); return nil })
	code(t, err, mainstem.Invalid)
	if v, err := db.Group("~follow/x").Get(t.Context(), "a", mainstem.Latest()); err != nil || v.Exists {
		t.Errorf("reading a reserved group: %+v, %v", v, err)
	}
}
