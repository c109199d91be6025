package mainstem_test

import (
	"errors"
	"testing"

	"github.com/mainstemdb/mainstem"
)

func TestStream(t *testing.T) {
	g := open(t).Group("order-1")
	ctx := t.Context()
	orders := mainstem.NewStream("events", orderEvents())
	var at mainstem.Outcome
	r := do(t, g, "1", func(tx *mainstem.Txn) (err error) {
		at, err = orders.Append(tx, Placed{"tea"}, &Paid{7})
		return err
	})
	if got := at.Of(r).Length; got != 2 {
		t.Errorf("the receipt says version %d, must say 2", got)
	}
	v := view(t, g)
	if n, err := orders.Version(ctx, v); n != 2 || err != nil {
		t.Errorf("version %d, %v", n, err)
	}
	for after := uint64(0); after < 4; after++ {
		want := after
		for e, err := range orders.Read(ctx, v, after) {
			must(t, err)
			want++
			if e.Number != want || e.Position != r.Position || e.Type != [...]string{"order.placed.v1", "order.paid.v1"}[want-1] {
				t.Errorf("after %d comes %+v, must be number %d at %s", after, e, want, r.Position)
			}
		}
		if want != max(2, after) {
			t.Errorf("reading after %d ends at %d", after, want)
		}
	}
}

func TestStreamAppendAt(t *testing.T) {
	g := open(t).Group("order-1")
	ctx := t.Context()
	orders := mainstem.NewStream("events", orderEvents())
	appendAt := func(id string, versions ...uint64) error {
		_, err := g.Do(ctx, id, func(tx *mainstem.Txn) error {
			for _, v := range versions {
				if _, err := orders.AppendAt(tx, v, Placed{"x"}); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	}
	code(t, appendAt("1", 1), mainstem.Conflict)
	code(t, appendAt("2", 0), 0)
	code(t, appendAt("3", 0), mainstem.Conflict)
	code(t, appendAt("4", 1, 2), 0) // its own first event counts
	code(t, appendAt("5", 3, 3), mainstem.Conflict)
	code(t, appendAt("6", 0, 0), mainstem.Conflict)
	if n, err := orders.Version(ctx, view(t, g)); n != 3 || err != nil {
		t.Errorf("version %d, %v, must be 3", n, err)
	}
}

func TestStreamUnknownType(t *testing.T) {
	g := open(t).Group("order-1")
	ctx := t.Context()
	do(t, g, "1", func(tx *mainstem.Txn) error {
		tx.Append("events", mainstem.Event{Type: "placed", Data: []byte(`{"item":"tea"}`)}, mainstem.Event{Type: "order.lost.v9"})
		return nil
	})
	registry := orderEvents()
	orders := mainstem.NewStream("events", registry)
	read := func() (got []OrderEvent, err error) {
		for e, err := range orders.Read(ctx, view(t, g), 0) {
			if err != nil {
				return got, err
			}
			got = append(got, e.Event)
		}
		return got, nil
	}
	got, err := read()
	code(t, err, mainstem.Invalid)
	if len(got) != 1 || got[0] != (Placed{"tea"}) {
		t.Errorf("before the unknown event came %v", got)
	}
	registry.Fallback(func(e mainstem.Event) (OrderEvent, error) { return unknownEvent{e}, nil })
	if got, err = read(); err != nil || len(got) != 2 || got[1].(unknownEvent).Type != "order.lost.v9" {
		t.Errorf("with a fallback %v, %v", got, err)
	}
	_, err = g.Do(ctx, "2", func(tx *mainstem.Txn) error {
		_, err := orders.Append(tx, Placed{"x"}, Shipped{})
		return err
	})
	code(t, err, mainstem.Invalid)
	if errors.Unwrap(err) == nil {
		t.Error("the error has no cause")
	}
}
