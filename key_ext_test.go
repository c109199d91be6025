package mainstem_test

import (
	"slices"
	"testing"

	"github.com/mainstemdb/mainstem"
)

type customer struct {
	Name string
	Age  int
}

func TestKey(t *testing.T) {
	g := open(t).Group("shop")
	ctx := t.Context()
	key := mainstem.NewKey("owner", mainstem.JSON[customer]())
	if _, exists, err := key.Get(ctx, view(t, g)); exists || err != nil {
		t.Fatalf("an absent key exists: %v, %v", exists, err)
	}
	do(t, g, "1", func(tx *mainstem.Txn) error {
		must(t, key.Put(tx, customer{"Ada", 36}))
		got, exists, err := key.Get(ctx, tx)
		if got != (customer{"Ada", 36}) || !exists || err != nil {
			t.Errorf("the transaction reads %v, %v, %v of its own write", got, exists, err)
		}
		return nil
	})
	if got, exists, err := key.Get(ctx, view(t, g)); got != (customer{"Ada", 36}) || !exists || err != nil {
		t.Fatalf("%v, %v, %v", got, exists, err)
	}
	swap := func(id string, from, to customer) error {
		_, err := g.Do(ctx, id, func(tx *mainstem.Txn) error {
			is, err := key.Equals(from)
			must(t, err)
			tx.Require(is)
			return key.Put(tx, to)
		})
		return err
	}
	code(t, swap("2", customer{"Bob", 1}, customer{"Eve", 2}), mainstem.Conflict)
	code(t, swap("3", customer{"Ada", 36}, customer{"Ada", 37}), 0)
	do(t, g, "4", func(tx *mainstem.Txn) error { key.Delete(tx); return nil })
	if _, exists, err := key.Get(ctx, view(t, g)); exists || err != nil {
		t.Fatalf("a deleted key exists: %v, %v", exists, err)
	}
}

func TestKeyOfAnotherKind(t *testing.T) {
	g := open(t).Group("shop")
	ctx := t.Context()
	do(t, g, "1", func(tx *mainstem.Txn) error {
		tx.Set("n", 5)
		tx.Put("b", []byte("{"))
		return nil
	})
	v := view(t, g)
	for _, name := range []string{"n", "b"} {
		_, exists, err := mainstem.NewKey(name, mainstem.JSON[customer]()).Get(ctx, v)
		if exists {
			t.Errorf("key %s exists although it cannot be read", name)
		}
		code(t, err, mainstem.Invalid)
	}
	_, err := mainstem.NewCounter("b").Get(ctx, v)
	code(t, err, mainstem.Invalid)
	_, err = g.Do(ctx, "2", func(tx *mainstem.Txn) error {
		return mainstem.NewKey("x", mainstem.JSON[chan int]()).Put(tx, nil)
	})
	code(t, err, mainstem.Invalid)
}

func TestKeys(t *testing.T) {
	g := open(t).Group("shop")
	ctx := t.Context()
	people := mainstem.NewKeys("person/", mainstem.Text())
	do(t, g, "1", func(tx *mainstem.Txn) error {
		tx.Put("person.x", []byte("no"))
		tx.Put("person0", []byte("no"))
		for _, id := range []string{"b", "a", "c"} {
			must(t, people.Key(id).Put(tx, "name of "+id))
		}
		return nil
	})
	all := func(r mainstem.Reader) (got []string) {
		for item, err := range people.All(ctx, r) {
			must(t, err)
			got = append(got, item.ID+"="+item.Value)
		}
		return got
	}
	want := []string{"a=name of a", "b=name of b", "c=name of c"}
	if got := all(view(t, g)); !slices.Equal(got, want) {
		t.Errorf("%q, must be %q", got, want)
	}
	do(t, g, "2", func(tx *mainstem.Txn) error {
		people.Key("b").Delete(tx)
		must(t, people.Key("aa").Put(tx, "new"))
		if got, want := all(tx), []string{"a=name of a", "aa=new", "c=name of c"}; !slices.Equal(got, want) {
			t.Errorf("in the transaction %q, must be %q", got, want)
		}
		return nil
	})
}

func TestCounter(t *testing.T) {
	g := open(t).Group("shop")
	ctx := t.Context()
	stock := mainstem.NewCounter("stock")
	if n, err := stock.Get(ctx, view(t, g)); n != 0 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	var left mainstem.Outcome
	r := do(t, g, "1", func(tx *mainstem.Txn) error {
		stock.Set(tx, 2)
		left = stock.Add(tx, -1, mainstem.Floor(0))
		if n, err := stock.Get(ctx, tx); n != 1 || err != nil {
			t.Errorf("in the transaction %d, %v", n, err)
		}
		return nil
	})
	if got := left.Of(r).Counter; got != 1 {
		t.Errorf("the receipt says %d, must say 1", got)
	}
	// A replay comes without the function: its outcome names nothing, and not
	// the result of another operation.
	left = 0
	again := do(t, g, "1", func(*mainstem.Txn) error { t.Error("the function ran again"); return nil })
	if got := left.Of(again); got != (mainstem.Result{}) || again.Results[1].Counter != 1 {
		t.Errorf("the zero outcome of a replay is %+v; its results are %+v", got, again.Results)
	}
	_, err := g.Do(ctx, "2", func(tx *mainstem.Txn) error { stock.Add(tx, -2, mainstem.Floor(0)); return nil })
	code(t, err, mainstem.OutOfRange)
	if n, err := stock.Get(ctx, view(t, g)); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
}
