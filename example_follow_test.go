package mainstem_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mainstemdb/mainstem"
)

// A follower keeps its place and its effects together: however often it is
// stopped and started, each order is counted once.
func ExampleDB_Follow() {
	db := openExample()
	defer db.Close()
	ctx, stop := context.WithCancel(context.Background())
	for i := range 3 {
		_, err := db.Group("shop").Do(ctx, fmt.Sprint("order-", i), func(tx *mainstem.Txn) error {
			tx.Append("orders", mainstem.Event{Type: "order.placed.v1"})
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	orders := mainstem.Match{Kinds: []mainstem.EffectKind{mainstem.EffectAppend}, NamePrefix: "orders"}
	err := db.Follow(ctx, "statistics", orders, func(ctx context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
		for _, change := range batch {
			tx.Add("orders", 1)
			// An effect in another group commits once under this ID.
			id := mainstem.EffectID("statistics", change.Incarnation, change.Partition, change.Position)
			_, err := db.Group("mailer").Do(ctx, id, func(tx *mainstem.Txn) error { tx.Add("mails", 1); return nil })
			if err != nil {
				return err
			}
			if change.ID.Opaque == "order-2" {
				stop() // enough for an example
			}
		}
		return nil
	})
	mails, _ := db.Get(context.Background(), "mailer", "mails", mainstem.Latest())
	fmt.Println(errors.Is(err, context.Canceled), mails.Value)
	// Output:
	// true 3
}

// A bad deployment is undone: keys go back, and nothing is lost.
func ExampleGroup_Rewind() {
	db := openExample()
	defer db.Close()
	ctx, prices := context.Background(), db.Group("prices")
	set := func(id, price string) *mainstem.Receipt {
		receipt, err := prices.Do(ctx, id, func(tx *mainstem.Txn) error { tx.Put("price/tea", []byte(price)); return nil })
		if err != nil {
			log.Fatal(err)
		}
		return receipt
	}
	good := set("release-1", "4.50")
	bad := set("release-2", "0.45")
	done, err := prices.Rewind(ctx, "undo", "price/", good.Position)
	if err != nil {
		log.Fatal(err)
	}
	now, _ := prices.Get(ctx, "price/tea", mainstem.Latest())
	was, _ := prices.Get(ctx, "price/tea", mainstem.AsOf(bad.Position))
	fmt.Println(done.Keys, "key; the price is", now.Value, "and was", was.Value)
	// Output:
	// 1 key; the price is 4.50 and was 0.45
}
